// Keeps a page up to date: pieces of HTML come by the socket, or are asked for, and the piece with its id becomes what each
// says. Everything else about a page works without this.
"use strict";
(() => {
  const FAILURES = 3; // then the page asks
  const ASK_EVERY = 3000;
  const TRY_AGAIN = 8000; // a socket, while the page asks
  const PROVEN = 3000; // a socket that lasts so long is a good one
  const body = document.body;
  const base = new URL(document.querySelector("a.brand")?.href ?? "/", location.href).pathname.replace(/\/$/, "");
  const link = document.getElementById("link");
  let seen = document.getElementById("at")?.dataset.at ?? "";
  let failures = 0;
  let asking = 0;

  function put(piece) {
    if (piece.id === "at") seen = piece.dataset.at;
    const old = piece.id && document.getElementById(piece.id);
    if (piece.dataset.gone !== undefined) {
      if (old?.contains(document.activeElement)) document.getElementById("main").focus();
      old?.remove();
    } else if (old) {
      follow(old, piece);
    } else if (piece.dataset.into) {
      document.getElementById(piece.dataset.into)?.prepend(piece);
    }
  }

  // What is there becomes what was told, and where nothing changed it is not touched: focus stays, and what was opened or
  // written by hand, and a bar that moves is the same bar.
  function follow(old, told) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== told.data) old.data = told.data;
      return;
    }
    if (old.dataset.keep !== undefined) return;
    for (const { name, value } of told.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!told.hasAttribute(name)) old.removeAttribute(name);
    }
    if (old.dataset.since === undefined) followInside(old, told); // else it ticks
  }

  function followInside(old, told) {
    const ids = new Set([...told.children].map((child) => child.id));
    for (const child of [...old.children]) {
      if (child.id && !ids.has(child.id)) child.remove();
    }
    let place = old.firstChild;
    for (const child of [...told.childNodes]) {
      const known = child.id ? document.getElementById(child.id) : place;
      if (known?.parentNode !== old || known.nodeName !== child.nodeName || (known.id ?? "") !== (child.id ?? "")) {
        old.insertBefore(child, place);
        continue;
      }
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      follow(known, child);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  function take(html) {
    const pieces = document.createElement("template");
    pieces.innerHTML = html;
    [...pieces.content.children].forEach(put);
    tick();
  }

  function say(state, words) {
    if (!link || link.dataset.state === state) return;
    link.dataset.state = state;
    link.textContent = words;
  }

  // How long calls have lasted, by this machine's clock.
  function tick() {
    for (const one of document.querySelectorAll(".ticks")) {
      const s = Math.max(0, Math.floor((Date.now() - Number(one.dataset.since)) / 1000));
      const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
      const text = (h ? `${h}:${String(m).padStart(2, "0")}` : m) + ":" + String(s % 60).padStart(2, "0");
      if (one.textContent !== text) one.textContent = text;
    }
  }

  function address(path) {
    const url = new URL(base + path + body.dataset.feed.replace(/^\/live/, ""), location.href);
    if (seen) url.searchParams.set("since", seen);
    return url;
  }

  async function ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch(address("/live/poll"), { credentials: "same-origin", redirect: "manual" });
      if (answer.ok) {
        take(await answer.text());
        say("asking", "Live, every 3 s");
      } else {
        say("lost", answer.status === 401 || answer.type === "opaqueredirect" ? "Logged out" : "Not reachable");
      }
    } catch {
      say("lost", "Not reachable");
    }
  }

  function beginAsking() {
    if (asking) return;
    ask();
    asking = setInterval(ask, ASK_EVERY);
  }

  function listen() {
    const url = address("/live");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    let heard = false;
    let proven = 0;
    socket.onmessage = (event) => {
      if (!heard) {
        heard = true;
        proven = setTimeout(() => (failures = 0), PROVEN);
        clearInterval(asking);
        asking = 0;
        say("live", "Live");
      }
      take(event.data);
    };
    socket.onclose = () => {
      clearTimeout(proven);
      failures += 1;
      if (failures >= FAILURES) beginAsking();
      else if (!asking) say("again", "Connecting again");
      const pause = failures >= FAILURES ? TRY_AGAIN : 250 * 2 ** failures;
      setTimeout(listen, pause * (0.8 + Math.random() * 0.4));
    };
  }

  // What cannot be undone asks once.
  addEventListener("submit", (event) => {
    const words = event.submitter?.dataset.sure;
    if (words && !confirm(words)) event.preventDefault();
  });

  // What can be done with a call is asked for when somebody wants to do it. If it cannot be had, the way to its page stays.
  addEventListener(
    "toggle",
    async ({ target }) => {
      const { fill } = target.dataset;
      if (!fill || !target.open) return;
      delete target.dataset.fill;
      try {
        const answer = await fetch(base + fill, { credentials: "same-origin", redirect: "manual" });
        if (!answer.ok) throw answer;
        target.lastElementChild.innerHTML = await answer.text();
      } catch {
        target.dataset.fill = fill;
      }
    },
    true,
  );
  addEventListener("keydown", (event) => {
    const unfolded = event.key === "Escape" && event.target.closest?.("details[open]");
    if (!unfolded) return;
    unfolded.open = false;
    unfolded.querySelector("summary").focus();
  });

  tick();
  setInterval(tick, 1000);
  if (body.dataset.feed) {
    if (body.dataset.live === "push") listen();
    else beginAsking();
  }
})();
