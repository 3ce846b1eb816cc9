// While somebody types a schedule: what it comes to, asked of the server, which knows zones and calendars.
// Without this script the same is told after the form was sent.

const form = document.querySelector("form[data-preview]");
const shown = document.getElementById("live-occasions");
const WAIT_MS = 300;
let waiting = 0;
let asked = null;

function fit() {
  const type = form.elements.schedule_type?.value;
  for (const set of form.querySelectorAll("fieldset[data-for]")) {
    const fits = set.dataset.for.split(" ").includes(type);
    set.hidden = !fits;
    set.disabled = !fits;
  }
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value && !["form_key", "once", "etag"].includes(name)) fields.append(name, value);
  }
  try {
    const answer = await fetch(`${form.dataset.preview}?${fields}`, { headers: { "X-Live": "1" }, signal: asked.signal });
    if (!answer.ok) return;
    const parts = await answer.json();
    if (parts.occasions !== undefined) shown.innerHTML = parts.occasions;
  } catch (error) {
    if (error.name !== "AbortError") console.warn("the preview could not be asked for", error);
  }
}

if (form && shown) {
  form.addEventListener("input", () => {
    fit();
    clearTimeout(waiting);
    waiting = setTimeout(ask, WAIT_MS);
  });
  fit();
  ask();
}
