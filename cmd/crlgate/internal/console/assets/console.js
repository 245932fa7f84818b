// The console's only script: it swaps parts of the page for those that the server
// sends when they change, and asks for an answer to what is dropped.
"use strict";

const byID = (id) => document.getElementById(id);

// What of a part outlasts its being swapped: where the focus is, how far its
// tables are scrolled.
function swap(section, html) {
  const focus = section.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = [...section.querySelectorAll("[id].scroll")].map((e) => [e.id, e.scrollLeft, e.scrollTop]);
  section.innerHTML = html;
  for (const [id, left, top] of scrolled) {
    const e = byID(id);
    if (e) e.scrollTo(left, top);
  }
  if (focus) byID(focus)?.focus({ preventScroll: true });
}

// Text that is being selected or copied is not pulled away: what comes for its
// part meanwhile waits until the selection is gone.
const waiting = new Map();

function show({ id, html, hash }) {
  const section = byID(id);
  if (!section || section.dataset.part === hash) return;
  const chosen = getSelection();
  if (!chosen.isCollapsed && chosen.containsNode(section, true)) {
    waiting.set(id, { id, html, hash });
    return;
  }
  waiting.delete(id);
  section.dataset.part = hash;
  swap(section, html);
  if (id === "summary") entitle();
}

document.addEventListener("selectionchange", () => {
  if (getSelection().isCollapsed) for (const frame of [...waiting.values()]) show(frame);
});

// The title says how things stand, for who has the page in a tab behind others.
function entitle() {
  const mark = document.querySelector("#summary [data-mark]")?.dataset.mark;
  document.title = (mark ? mark + " " : "") + "crlgate console";
}

function link(state, words) {
  const e = byID("link");
  if (e.dataset.state === state) return;
  e.dataset.state = state;
  e.querySelector(".words").textContent = words;
}

// Announcements go to screen readers one after the other.
function say(text) {
  const e = byID("say");
  const p = document.createElement("span");
  p.textContent = text + " ";
  e.append(p);
  while (e.childElementCount > 5) e.firstElementChild.remove();
}

function listen() {
  const events = new EventSource("/events");
  events.addEventListener("open", () => link("live", "live"));
  events.addEventListener("error", () => {
    link("lost", events.readyState === EventSource.CLOSED ? "ended: load the page again" : "connecting again …");
  });
  events.addEventListener("frame", (e) => show(JSON.parse(e.data)));
  events.addEventListener("say", (e) => say(JSON.parse(e.data)));
  addEventListener("pagehide", () => events.close());
}

let asking;

async function ask(form) {
  asking?.abort();
  asking = new AbortController();
  const signal = asking.signal;
  const answer = byID("answer");
  answer.setAttribute("aria-busy", "true");
  try {
    const response = await fetch("/answer", { method: "POST", body: form, headers: { "X-Crlgate-Part": "1" }, signal });
    const html = await response.text();
    if (response.headers.get("Content-Type")?.startsWith("text/html")) answer.innerHTML = html;
    else fail(html);
  } catch (e) {
    if (signal.aborted) return;
    fail("The console does not answer: " + e.message);
  }
  answer.removeAttribute("aria-busy");
  const head = answer.querySelector("h3");
  byID("ask").scrollIntoView({ block: "start" });
  head?.focus({ preventScroll: true });
}

function fail(words) {
  const p = document.createElement("p");
  p.className = "trouble";
  p.textContent = words;
  const h = document.createElement("h3");
  h.tabIndex = -1;
  h.textContent = "No answer";
  const article = document.createElement("article");
  article.className = "answer";
  article.append(h, p);
  byID("answer").replaceChildren(article);
}

function askFiles(files) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  ask(form);
}

function drops() {
  const veil = byID("veil");
  let depth = 0;
  const files = (e) => [...(e.dataTransfer?.types ?? [])].includes("Files");
  const show = (on) => veil.classList.toggle("shown", on);
  addEventListener("dragenter", (e) => {
    if (!files(e)) return;
    e.preventDefault();
    depth++;
    show(true);
  });
  addEventListener("dragover", (e) => {
    if (!files(e)) return;
    e.preventDefault();
    e.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", (e) => {
    if (!files(e)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) show(false);
  });
  addEventListener("drop", (e) => {
    if (!files(e)) return;
    e.preventDefault();
    depth = 0;
    show(false);
    askFiles(e.dataTransfer.files);
  });
  // Pasting anywhere asks, too: files, or text that is PEM.
  addEventListener("paste", (e) => {
    if (e.target.closest?.("textarea, input")) return;
    if (e.clipboardData.files.length > 0) {
      askFiles(e.clipboardData.files);
      return;
    }
    const text = e.clipboardData.getData("text");
    if (!text.includes("-----BEGIN ")) return;
    byID("ask-text").value = text;
    byID("ask-form").requestSubmit();
  });
}

byID("ask-form").addEventListener("submit", (e) => {
  e.preventDefault();
  ask(new FormData(e.target));
});
entitle();
drops();
listen();
