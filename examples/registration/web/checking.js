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
	status.dataset.final = String(stage.final);
}

if (status.dataset.final !== "true") {
	const events = new EventSource("/events");
	events.addEventListener("stage", (event) => {
		const stage = JSON.parse(event.data);
		show(stage);
		if (stage.final) {
			events.close();
		}
	});
	events.addEventListener("error", () => {
		connection.hidden = status.dataset.final === "true";
	});
	window.addEventListener("pagehide", () => events.close());
}
