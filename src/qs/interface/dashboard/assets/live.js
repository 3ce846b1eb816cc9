// Follows what happens on a page: parts of it that changed come as events and take the place of what is shown.
// Without this script the page is the same, and as old as when it was loaded.

const parts = document.querySelectorAll("[data-live]");
const AGAIN_MS = 10_000;
let source = null;

function show({ name, html }) {
  const part = document.getElementById(`live-${name}`);
  // Whoever types or has something unfolded in a part is not disturbed.
  if (!part || part.innerHTML === html || part.contains(document.activeElement)) return;
  const opened = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  part.innerHTML = html;
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
}

function follow() {
  if (source || document.hidden) return;
  source = new EventSource(`/dashboard/live?page=${encodeURIComponent(location.pathname + location.search)}`);
  source.addEventListener("part", (event) => show(JSON.parse(event.data)));
  source.addEventListener("over", () => { stop(); location.reload(); });
  // A connection that broke is made again by the browser; one that was refused is not.
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    setTimeout(follow, AGAIN_MS);
  });
}

function stop() {
  source?.close();
  source = null;
}

if (parts.length) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", follow);
  follow();
}
