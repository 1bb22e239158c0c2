"use strict";

const status = document.getElementById("status");
const connection = document.getElementById("connection");

function show(stage) {
	connection.hidden = true;
	if (status.dataset.stage !== stage.name) {
		status.dataset.stage = stage.name;
		document.getElementById("title").textContent = stage.title;
		document.getElementById("text").textContent = stage.text;
		document.title = document.title.replace(/^.* – /, stage.title + " – ");
		for (const item of document.querySelectorAll("[data-step]")) {
			const step = Number(item.dataset.step);
			item.classList.toggle("done", step < stage.step);
			if (step === stage.step) {
				item.setAttribute("aria-current", "step");
			} else {
				item.removeAttribute("aria-current");
			}
		}
	}
	document.getElementById("again").hidden = !stage.again;
	status.dataset.final = String(stage.final);
}

// A browser comes back by itself after a lost connection, but not after an answer
// that is no stream, such as a proxy's while the site restarts.
let wait = 2000;

function follow() {
	const events = new EventSource("/events");
	events.addEventListener("stage", (event) => {
		wait = 2000;
		const stage = JSON.parse(event.data);
		show(stage);
		if (stage.final) {
			events.close();
		}
	});
	events.addEventListener("error", () => {
		connection.hidden = status.dataset.final === "true";
		if (events.readyState === EventSource.CLOSED && status.dataset.final !== "true") {
			setTimeout(follow, wait);
			wait = Math.min(2 * wait, 30000);
		}
	});
	window.addEventListener("pagehide", () => events.close(), {once: true});
}

if (status.dataset.final !== "true") {
	follow();
}
// A page out of the browser's memory shows what was true when it was left.
window.addEventListener("pageshow", (event) => {
	if (event.persisted) {
		location.reload();
	}
});
