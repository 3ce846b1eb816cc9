// Follows what happens on a page: parts of it that changed come as events and take the place of what is shown.
// Without this script the page is the same, and as old as when it was loaded.

const parts = document.querySelectorAll("[data-live]");
const notice = document.getElementById("not-live");
const AGAIN_MS = 10_000;
// A stream ends now and then and begins again within seconds, which nobody need be told.
const PATIENCE_MS = 4_000;
// The server says something every 15 seconds; a connection that is silent for longer is dead without knowing it.
const SILENCE_MS = 40_000;
let source = null;
let doubting = 0;
let listening = 0;
let again = 0;

function show({ name, html }) {
  const part = document.getElementById(`live-${name}`);
  // Whoever types or has something unfolded in a part is not disturbed.
  if (!part || part.innerHTML === html || part.contains(document.activeElement)) return;
  const opened = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  part.innerHTML = html;
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
}

function say(words) {
  notice.textContent = words;
  notice.classList.toggle("warning", words !== "");
}

function doubt() {
  doubting ||= setTimeout(() => say(notice.dataset.words), PATIENCE_MS);
}

function trust() {
  clearTimeout(doubting);
  doubting = 0;
  say("");
}

function listen() {
  clearTimeout(listening);
  listening = setTimeout(() => {
    doubt();
    stop();
    follow();
  }, SILENCE_MS);
}

function follow() {
  if (source || document.hidden) return;
  source = new EventSource(`/dashboard/live?page=${encodeURIComponent(location.pathname + location.search)}`);
  listen();
  source.addEventListener("part", (event) => { listen(); show(JSON.parse(event.data)); });
  source.addEventListener("fresh", () => { listen(); trust(); });
  source.addEventListener("stale", () => { listen(); doubt(); });
  source.addEventListener("over", () => { stop(); location.reload(); });
  // A connection that broke is made again by the browser; one that was refused is not.
  source.addEventListener("error", () => {
    doubt();
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    again = setTimeout(follow, AGAIN_MS);
  });
}

function stop() {
  clearTimeout(listening);
  clearTimeout(again);
  source?.close();
  source = null;
}

if (parts.length) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", follow);
  follow();
}
