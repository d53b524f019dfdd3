// frontdesk on Railway: `railway config plan` shows what it would change, `railway config apply` does it (CLI 5.42.1 or
// newer; Railway calls this experimental). README, Deploy, has the way there, and how to set the same by hand.
//
// It stands for railway.json and railway.toml, which Railway reads until 2026-12-01. `railway config migrate` turns such a
// file into one like this and loses its draining, overlap, restart policy and Dockerfile on the way.
import { defineRailway, github, preserve, project, service } from "railway/iac";

// Yours. The names of project and service below are those you gave them on Railway.
const REPOSITORY = "OWNER/REPO";

// From the signal to the kill. Railway's own default is 0, which cuts every call at every deploy, and a deploy is also what
// Railway itself begins to look after a host. A call that lasts longer is handed over to the new instance at a turn
// boundary.
const DRAIN_SECONDS = 900;

export default defineRailway(() => {
  const frontdesk = service("frontdesk", {
    source: github(REPOSITORY, { branch: "main" }),
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" },
    deploy: {
      // Asked while a deploy starts, until its first 200, and never again: without it callers are led to a process that
      // does not listen yet.
      healthcheckPath: "/ready",
      healthcheckTimeout: 120,
      // A phone rings at any time. A service that sleeps answers its first caller late, or with 502.
      sleepApplication: false,
      restartPolicyType: "ON_FAILURE",
      restartPolicyMaxRetries: 10,
      // The new instance is there for a moment before the old one hears its signal.
      overlapSeconds: 5,
      drainingSeconds: DRAIN_SECONDS,
    },
    // One for SQLite. With Firestore as many as you like: Railway leads webhook and stream of a call to any of them, and
    // they do not mind.
    replicas: 1,
    env: {
      // Said, so that it can be compared with the target port of each domain: healthchecks go to this one, callers to that.
      PORT: "8080",
      // The same as drainingSeconds, for us: so we know how long we have.
      RAILWAY_DEPLOYMENT_DRAINING_SECONDS: String(DRAIN_SECONDS),
      // Kept as they are on Railway; set them there first. What is set there and not named here, `apply` would remove: name
      // PUBLIC_URL too for a domain of your own, DATABASE_URL and FIREBASE_SERVICE_ACCOUNT for Firestore.
      OPENAI_API_KEY: preserve(),
      TWILIO_ACCOUNT_SID: preserve(),
      TWILIO_AUTH_TOKEN: preserve(),
      STREAM_TOKEN_SECRET: preserve(),
      ADMIN_TOKEN: preserve(),
    },
  });
  return project("frontdesk", { resources: [frontdesk] });
});
