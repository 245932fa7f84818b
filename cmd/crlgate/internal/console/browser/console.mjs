// Drives the console in headless Chromium. browser_test.go starts it, with
//   CONSOLE   the address that the console printed
//   CONTROL   where the world is asked to do something: publish a CRL, send a request
//   DROPS     files to drop
//   PROFILE   the browser's folder
//   PICTURES  where to write the pictures of docs/console.md; "": nowhere
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { CONSOLE, CONTROL, DROPS, PROFILE, PICTURES } = process.env;
const origin = new URL(CONSOLE).origin;
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const drop = (name) => join(DROPS, name);
const wide = { width: 1360, height: 940 };
const narrow = { width: 390, height: 844 };
const args = ["--disable-dev-shm-usage", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])];
const patience = 90_000;

const browser = await chromium.launchPersistentContext(PROFILE, {
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args,
  viewport: wide, colorScheme: "light", reducedMotion: "reduce", timezoneId: "UTC", locale: "en-GB",
});
process.on("SIGINT", () => browser.close().finally(() => process.exit(1)));

// Whatever any page of ours says on its console, throws, or loads from elsewhere.
const wrong = [];
function watch(page) {
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && wrong.push(`console ${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => wrong.push(`page error: ${e}`));
  page.on("request", (r) => new URL(r.url()).origin !== origin && wrong.push(`request to ${r.url()}`));
  page.on("requestfailed", (r) => !r.url().endsWith("/events") && wrong.push(`failed: ${r.url()} ${r.failure()?.errorText}`));
  return page;
}

async function control(path, values) {
  const response = await fetch(`${CONTROL}${path}?${new URLSearchParams(values)}`, { method: "POST" });
  assert.equal(response.status, 200, path);
  return response.json();
}

const step = async (name, f) => {
  const began = Date.now();
  await f();
  console.log(`ok  ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
};

const row = (page, crl) => page.locator(`#crls li[data-crl="${crl}"]`);
const state = (page, crl, word) => row(page, crl).locator(`.badge.${word}`).waitFor({ timeout: patience });

// colour asks again where the page has just put another element in the place of
// the one that was found: what is not on the page has no style.
async function colour(locator, property = "fill") {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    const found = await locator.evaluate((e, p) => e.isConnected && getComputedStyle(e)[p], property);
    if (found) return found;
  }
  throw new Error(`no element has a ${property}`);
}

// reddish: much more red than green or blue.
function reddish(rgb) {
  const [r, g, b] = rgb.match(/\d+/g).map(Number);
  return r > 1.8 * g && r > 1.8 * b;
}

// dropFiles drops files on an element as a file manager does.
async function dropFiles(page, selector, ...names) {
  const files = names.map((name) => [name, readFileSync(drop(name)).toString("base64")]);
  const data = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    return transfer;
  }, files);
  for (const event of ["dragenter", "dragover"]) await page.dispatchEvent(selector, event, { dataTransfer: data });
  assert.equal(await page.locator("#veil").isVisible(), true, "the page does not say that it takes a drop");
  await page.dispatchEvent(selector, "drop", { dataTransfer: data });
  assert.equal(await page.locator("#veil").isVisible(), false, "the veil stays");
}

// answered waits for an answer that says all this.
async function answered(page, ...words) {
  for (const word of words) await page.locator("#answer", { hasText: word }).waitFor({ timeout: patience });
}

// picture takes one for the docs, with another folder's name than this run's.
async function picture(page, name) {
  if (!PICTURES) return;
  await page.evaluate(() => {
    for (const e of document.querySelectorAll(".target strong")) e.textContent = "local stack in /srv/pki";
  });
  await page.screenshot({ path: join(PICTURES, name) });
}

async function scan(page, what) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations", "incomplete"] }));
  const words = (list) => list.map((v) => `${v.id} (${v.impact}): ${v.help}\n    ${v.nodes.map((n) => n.html.slice(0, 160) + " " + n.failureSummary).join("\n    ")}`).join("\n  ");
  assert.deepEqual(result.violations, [], `axe, ${what}:\n  ${words(result.violations)}`);
  // What axe could not judge is a colour over a picture at most.
  const unsure = result.incomplete.filter((v) => v.id !== "color-contrast");
  assert.deepEqual(unsure, [], `axe is unsure, ${what}:\n  ${words(unsure)}`);
  // Nothing is cut off at the side.
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what}: the page is ${over} pixels wider than the window`);
}

const page = watch(await browser.newPage());

await step("it loads, shows the CRLs and is live", async () => {
  const response = await page.goto(CONSOLE);
  assert.equal(response.status(), 200);
  assert.equal(page.url(), `${origin}/`, "the key stays in the address");
  await page.locator("#link[data-state=live]").waitFor({ timeout: patience });
  for (const crl of ["partners", "fleet"]) await state(page, `crls/${crl}.crl`, "fresh");
  await state(page, "crls/payments.crl", "warning");
  await state(page, "crls/edge.crl", "critical");
  await page.locator("#reports .badge.bad", { hasText: "refused" }).waitFor({ timeout: patience });
  await page.locator("#reports", { hasText: "signature_invalid" }).waitFor({ timeout: patience });
  assert.match(await page.locator("#entries").innerText(), /18.540/);
  assert.match(await page.locator("#denials").innerText(), /6 denied|7 denied/);
});

await step("a new CRL appears by itself, and turns red as its nextUpdate nears", async () => {
  const mark = await page.evaluate(() => (globalThis.mark = Math.random()));
  await control("/sensors", { seconds: 24 });
  const sensors = "crls/sensors.crl";
  await state(page, sensors, "fresh");
  assert.equal(reddish(await colour(row(page, sensors).locator("rect.left"))), false, "it is red while it is fresh");
  await state(page, sensors, "warning");
  await state(page, sensors, "critical");
  assert.equal(reddish(await colour(row(page, sensors).locator("rect.left"))), true, "it is critical, and not red");
  assert.match(await page.locator(".verdict").innerText(), /crls\/sensors\.crl of CA sensors ends in \d+s/);
  await state(page, sensors, "expired");
  assert.equal(reddish(await colour(row(page, sensors).locator(".overdue"), "stroke")), true, "it is expired, and not red");
  assert.match(await page.locator(".verdict").innerText(), /is out of date/);
  if (PICTURES) await page.waitForTimeout(5_000);
  await picture(page, "console-light.png");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.evaluate(() => scrollTo(0, document.getElementById("denials").offsetTop - 16));
  await picture(page, "console-dark.png");
  await page.emulateMedia({ colorScheme: "light" });
  await page.evaluate(() => scrollTo(0, 0));
  assert.equal(await page.title(), "✕ crlgate console");
  const said = await page.locator("#say").innerText();
  assert.match(said, /CRL crls\/sensors\.crl of CA sensors is now expired/, "a screen reader is not told");
  await control("/sensors", { seconds: 3600 });
  await state(page, sensors, "fresh");
  assert.equal(await page.evaluate(() => globalThis.mark), mark, "the page was loaded again");
});

await step("a denial at the gateway shows as it happens", async () => {
  const path = `/live/${Date.now()}`;
  assert.equal(await page.locator("#recent-table", { hasText: path }).count(), 0);
  const answer = await control("/request", { path });
  assert.equal(answer.status, 403, answer.error);
  const first = page.locator("#recent-table tbody tr").first();
  await first.filter({ hasText: path }).waitFor({ timeout: patience });
  const text = await first.innerText();
  for (const word of ["403", "revoked", "partners", "CN=retired-gateway"]) assert.ok(text.includes(word), `${word} is not in ${text}`);
});

await step("a dropped revoked certificate is explained", async () => {
  await dropFiles(page, "#denials", "retired-gateway.pem");
  await answered(page, "Denied: revoked", "certificate retired-gateway.pem", "CN=retired-gateway", "crls/partners.crl", "keyCompromise", "Row 6 of the decision table");
  assert.equal(await page.evaluate(() => document.activeElement.closest("#answer") !== null), true, "the focus is not on the answer");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.evaluate(() => scrollTo(0, document.getElementById("ask").offsetTop - 16));
  await picture(page, "console-explain.png");
  await page.emulateMedia({ colorScheme: "light" });
  await dropFiles(page, "main", "order-service.pem");
  await answered(page, "Let in: good");
});

await step("dropped CRLs are checked", async () => {
  await dropFiles(page, "#crls", "forged.crl", "newer.crl");
  await answered(page, "It would be refused", "signature_invalid", "CRL forged.crl", "It would be accepted", "take the place of CRL number 2026112107");
  await dropFiles(page, "body", "partners-ca.pem", "partners.crl", "retired-gateway.pem");
  await answered(page, "From the dropped files alone", "It would be denied", "It is sound");
  await dropFiles(page, "body", "junk.txt");
  await answered(page, "neither a certificate nor a CRL");
});

await step("a paste anywhere asks, too", async () => {
  const pem = readFileSync(drop("retired-gateway.pem"), "utf8");
  await page.evaluate((pem) => {
    document.activeElement.blur();
    const data = new DataTransfer();
    data.setData("text/plain", pem);
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
  }, pem);
  await answered(page, "Denied: revoked", "certificate pasted");
  await page.fill("#ask-text", "");
});

await step("all of it by keyboard", async () => {
  await page.goto(`${origin}/`);
  await page.locator("#link[data-state=live]").waitFor({ timeout: patience });
  const seen = [];
  let asked = false;
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      return {
        is: e === document.body ? "body" : e.id || e.textContent.trim(), outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        shown: e.getBoundingClientRect().height > 0,
      };
    });
    if (focus.is === "body") break;
    assert.ok(focus.outline && focus.shown, `the focus on ${focus.is} does not show`);
    seen.push(focus.is);
    if (focus.is === "ask-text" && !asked) {
      await page.keyboard.insertText(readFileSync(drop("retired-gateway.pem"), "utf8"));
    }
    if (focus.is === "Ask" && seen.at(-2) === "ask-text") {
      asked = true;
      await page.keyboard.press("Enter");
      await answered(page, "Denied: revoked");
      await page.waitForFunction(() => document.activeElement.matches("#answer h3"), null, { timeout: patience });
    }
  }
  for (const want of ["Skip to the CRLs", "CRLs", "Denials", "Entries", "Reports", "crl-table", "ask-files", "ask-text", "Ask", "denial-table", "recent-table", "entries-table", "report-table"]) {
    assert.ok(seen.includes(want), `Tab does not reach ${want}; it reaches ${seen.join(", ")}`);
  }
  assert.ok(asked);
  // The skip link leads past the head.
  await page.evaluate(() => document.querySelector(".skip").focus());
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

await step("what is swapped keeps the focus", async () => {
  await page.locator("#recent-table").focus();
  const path = `/focus/${Date.now()}`;
  await control("/request", { path });
  await page.locator("#recent-table", { hasText: path }).waitFor({ timeout: patience });
  assert.equal(await page.evaluate(() => document.activeElement.id), "recent-table");
});

await step("what is selected is not pulled away, and comes later", async () => {
  const path = `/selected/${Date.now()}`;
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("#recent-table tbody")));
  await control("/request", { path });
  await page.waitForTimeout(1_500); // it comes within this, and must wait
  assert.equal(await page.evaluate(() => getSelection().isCollapsed), false);
  assert.equal(await page.locator("#recent-table", { hasText: path }).count(), 0);
  await page.evaluate(() => getSelection().removeAllRanges());
  await page.locator("#recent-table", { hasText: path }).waitFor({ timeout: patience });
});

await step("axe finds nothing, in either theme, wide and narrow", async () => {
  // Nothing is swapped while axe looks: it would lose its place.
  const still = watch(await browser.newPage());
  await still.route("**/events", () => {});
  await still.goto(`${origin}/`);
  await dropFiles(still, "body", "retired-gateway.pem", "forged.crl", "newer.crl");
  await answered(still, "Denied: revoked", "It would be refused", "It would be accepted");
  for (const state of ["live", "lost"]) {
    await still.evaluate((state) => (document.getElementById("link").dataset.state = state), state);
    for (const colorScheme of ["light", "dark"]) {
      for (const viewport of state === "live" ? [wide, narrow] : [wide]) {
        await still.emulateMedia({ colorScheme });
        await still.setViewportSize(viewport);
        await scan(still, `${colorScheme}, ${viewport.width} pixels, ${state}`);
      }
    }
  }
  // That it looks at all: a fault that is made is found.
  await still.evaluate(() => document.querySelector("#ask-files").labels[0].remove());
  await assert.rejects(scan(still, "with a fault"), /label/);
  await still.close();
});

await step("narrow", async () => {
  await page.setViewportSize(narrow);
  await page.goto(`${origin}/`);
  await page.locator("#link[data-state=live]").waitFor({ timeout: patience });
  await picture(page, "console-narrow.png");
  await page.setViewportSize(wide);
});

await step("without JavaScript it reads, and the form answers", async () => {
  const plain = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args });
  try {
    const context = await plain.newContext({ javaScriptEnabled: false, viewport: wide });
    const quiet = watch(await context.newPage());
    await quiet.goto(CONSOLE);
    await state(quiet, "crls/partners.crl", "fresh");
    assert.match(await quiet.locator("body").innerText(), /Without JavaScript the page shows how things stood/);
    for (const id of ["#crl-table", "#denial-table", "#entries-table", "#report-table"]) assert.ok(await quiet.locator(id).isVisible(), `${id} is not shown`);
    await quiet.setInputFiles("#ask-files", drop("retired-gateway.pem"));
    await quiet.click("#ask-form button");
    await answered(quiet, "Denied: revoked", "CN=retired-gateway");
    // Another browser, without the key, sees nothing.
    const stranger = await (await plain.newContext()).newPage();
    const refused = await stranger.goto(origin);
    assert.equal(refused.status(), 401);
    assert.doesNotMatch(await stranger.locator("body").innerText(), /partners/);
  } finally {
    await plain.close();
  }
});

await browser.close();
assert.deepEqual(wrong, [], "the browser complained");
console.log("done");
