// A telephone in the page. It speaks to our server as Twilio does, so that what works here works on the phone; the sound
// itself is made and heard in phone-line.js.
"use strict";
(() => {
  const phone = document.getElementById("phone");
  if (!phone) return;
  const FRAME_MS = 20;
  const OPENS_WITHIN = 8000; // a socket that takes longer is taken for none
  const ENDS_WITHIN = 3000; // what our server has to close it, when we have hung up
  const QUIETEST = 0.003; // of full scale: what moves no bar
  const part = (name) => document.getElementById(`phone-${name}`);
  let call = null; // the one there is

  // What is said to the person, beside the word for where the call stands.
  class Sorry extends Error {}

  function show(word, kind, says) {
    part("state").textContent = word;
    part("state").className = `pill ${kind}`;
    part("says").textContent = says;
  }

  // The buttons that mean something now. Whoever used one that goes is led to the one that comes.
  function offer(inCall) {
    const within = phone.contains(document.activeElement);
    part("call").hidden = inCall;
    for (const name of ["mute", "end", "keys", "figures"]) part(name).hidden = !inCall;
    if (within) part(inCall ? "end" : "call").focus();
  }

  async function microphone() {
    if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      throw new Sorry("A browser lends its microphone only to pages that come over https, or from this very machine. Open this page so.");
    }
    try {
      const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
      return await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      const why = {
        NotAllowedError: "The microphone was refused. Allow it for this page, beside the address, and call again.",
        NotFoundError: "There is no microphone here. Plug one in, and call again.",
        NotReadableError: "Something else has the microphone. Close that, and call again.",
      };
      throw new Sorry(why[error.name] ?? `The microphone cannot be had: ${error.name}.`);
    }
  }

  async function line(one) {
    one.sound = new AudioContext({ latencyHint: "interactive" });
    await one.sound.audioWorklet.addModule(phone.dataset.line);
    one.line = new AudioWorkletNode(one.sound, "telephone-line", {
      channelCount: 1,
      channelCountMode: "explicit",
      outputChannelCount: [1],
    });
    one.line.port.onmessage = ({ data }) => (data.frame ? speak(one, data) : say(one, "mark", { mark: { name: data.mark } }));
    one.sound.createMediaStreamSource(one.voice).connect(one.line).connect(one.sound.destination);
    one.sound.resume();
  }

  // A form of ours, sent; its answer.
  async function ask(path, fields) {
    const body = new URLSearchParams({ seal: phone.dataset.seal, ...fields });
    const answer = await fetch(path, { method: "POST", body, credentials: "same-origin", redirect: "error" });
    if (answer.ok) return answer.json();
    const out = answer.status === 401 || answer.status === 403;
    throw new Sorry(out ? "You have been logged out. Load this page again." : `This server cannot do it now, and answers ${answer.status}.`);
  }

  async function begin() {
    const one = (call = { sequence: 0, chunk: 0, timers: [] });
    part("time").textContent = "0:00";
    part("page").hidden = true;
    offer(true);
    show("Microphone", "", "The browser asks whether this page may hear you.");
    try {
      one.voice = await microphone();
      await line(one);
      if (one.over) return silence(one);
      show("Ringing", "live", "");
      const told = await ask(phone.dataset.call, {});
      if (told.instead) return end(one, "Not connected", "odd", told.instead);
      connect(one, told);
    } catch (error) {
      end(one, "Not connected", "bad", error instanceof Sorry ? error.message : `This browser cannot do it: ${error.message}`);
    }
  }

  function connect(one, told) {
    if (one.over) return;
    one.told = told;
    const page = part("page");
    page.hidden = false;
    page.querySelector("a").href = told.page;
    const url = new URL(phone.dataset.media, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = (one.socket = new WebSocket(url));
    one.timers.push(setTimeout(() => one.opened || lost(one), OPENS_WITHIN));
    socket.onopen = () => {
      one.opened = true;
      one.began = Date.now();
      one.timers.push(setInterval(() => tick(one), 1000));
      socket.send(JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }));
      say(one, "start", {
        start: {
          accountSid: told.account,
          streamSid: told.stream,
          callSid: told.call,
          tracks: ["inbound"],
          mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
          customParameters: told.parameters,
        },
      });
    };
    socket.onmessage = (event) => hear(one, JSON.parse(event.data));
    socket.onclose = (event) => (one.opened ? ended(one, event) : lost(one));
  }

  // Says it as Twilio does: numbers are strings, and all but the first message are counted.
  function say(one, event, body) {
    if (one.socket?.readyState !== WebSocket.OPEN) return;
    one.sequence += 1;
    const message = { event, sequenceNumber: String(one.sequence), ...body, streamSid: one.told.stream };
    one.socket.send(JSON.stringify(message));
  }

  function speak(one, told) {
    meter(told);
    if (one.socket?.readyState !== WebSocket.OPEN) return;
    const payload = btoa(String.fromCharCode(...told.frame));
    const timestamp = String(one.chunk * FRAME_MS);
    one.chunk += 1;
    say(one, "media", { media: { track: "inbound", chunk: String(one.chunk), timestamp, payload } });
  }

  function hear(one, message) {
    if (message.event === "media") {
      if (!one.talks) {
        one.talks = true;
        show("Talking", "live", "");
      }
      const audio = Uint8Array.from(atob(message.media.payload), (letter) => letter.charCodeAt(0));
      one.line.port.postMessage({ audio });
    } else if (message.event === "mark") {
      one.line.port.postMessage({ mark: message.mark.name });
    } else if (message.event === "clear") {
      one.line.port.postMessage({ clear: true });
    }
  }

  function press(key) {
    if (call) say(call, "dtmf", { dtmf: { track: "inbound_track", digit: key } });
  }

  function mute() {
    const [track] = call?.voice?.getAudioTracks() ?? [];
    if (!track) return;
    track.enabled = !track.enabled;
    part("mute").setAttribute("aria-pressed", String(!track.enabled));
  }

  function hangUp() {
    const one = call;
    if (!one?.opened) {
      end(one, "Ended", "", "You hung up before anybody answered.");
      return one?.socket?.close();
    }
    say(one, "stop", { stop: { accountSid: one.told.account, callSid: one.told.call } });
    one.timers.push(setTimeout(() => one.socket.close(), ENDS_WITHIN));
  }

  function lost(one) {
    end(
      one,
      "Not connected",
      "bad",
      `The way for audio did not open. A caller may meet the same: run frontdesk doctor ${phone.dataset.doctor}`,
    );
  }

  // The stream is over: what became of the call is known to our server.
  async function ended(one, event) {
    if (one.over) return;
    silence(one);
    show("Ended", "", "");
    try {
      const told = await ask(phone.dataset.over, { call: one.told.call });
      end(one, "Ended", told.kind, told.says);
    } catch {
      const why = event.reason ? `, with the word ${event.reason}` : "";
      end(one, "Ended", "odd", `The line was closed${why}. Its page may know more.`);
    }
  }

  function end(one, word, kind, says) {
    if (!one || one.over) return;
    silence(one);
    one.over = true;
    show(word, kind, says);
    meter({ said: 0, heard: 0 });
    offer(false);
    if (one === call) call = null;
  }

  // Lets go of everything that makes or hears a sound.
  function silence(one) {
    one.timers.forEach(clearInterval);
    one.voice?.getTracks().forEach((track) => track.stop());
    if (one.sound && one.sound.state !== "closed") one.sound.close();
    part("mute").setAttribute("aria-pressed", "false");
  }

  function tick(one) {
    const s = Math.floor((Date.now() - one.began) / 1000);
    part("time").textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }

  // Five bars of loudness, as the other pages show it: each is twice as loud as the one before.
  function meter({ said, heard }) {
    const bars = (loudness) => Math.min(5, Math.max(0, Math.ceil(Math.log2(loudness / QUIETEST) / 1.2) || 0));
    const [mine, theirs] = part("meter").children;
    mine.className = `c${bars(said)}`;
    theirs.className = `m${bars(heard)}`;
  }

  part("call").addEventListener("click", begin);
  part("mute").addEventListener("click", mute);
  part("end").addEventListener("click", hangUp);
  part("keys").addEventListener("click", (event) => event.target.value && press(event.target.value));
  phone.addEventListener("keydown", (event) => {
    if (call && /^[0-9*#]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) press(event.key);
  });
  // Whoever leaves the page hangs up.
  addEventListener("pagehide", () => {
    const socket = call?.socket;
    if (socket) hangUp();
    socket?.close();
  });
  part("call").disabled = false;
})();
