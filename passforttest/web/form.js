(function () {
  "use strict";
  var credentials = new URLSearchParams(window.location.hash.slice(1));
  window.history.replaceState(null, "", window.location.pathname);
  var main = document.getElementById("main");

  function tell(message) {
    if (window.parent !== window) {
      window.parent.postMessage(message, "*");
    }
  }

  function show(nodes) {
    main.replaceChildren.apply(main, nodes);
  }

  // Errors, longer labels and a narrower window change the height too.
  new ResizeObserver(function () {
    tell({ height: Math.ceil(main.getBoundingClientRect().bottom + window.scrollY) + 20 });
  }).observe(main);

  function element(name, text, className) {
    var e = document.createElement(name);
    if (text) {
      e.textContent = text;
    }
    if (className) {
      e.className = className;
    }
    return e;
  }

  function ask(path, body) {
    return fetch(path, {
      method: body ? "POST" : "GET",
      headers: {
        "Content-Type": "application/json",
        apikey: credentials.get("apikey") || "",
        "request-id": credentials.get("request_id") || "",
      },
      body: body ? JSON.stringify(body) : undefined,
    }).then(
      function (response) {
        return response.json().then(
          function (value) {
            if (!response.ok) {
              throw new Error(value.errors[0].message);
            }
            return value;
          },
          function () {
            throw new Error("The answer cannot be read. Please try again in a moment.");
          },
        );
      },
      function () {
        throw new Error("There is no connection. Check yours, and try again: what you typed is still here.");
      },
    );
  }

  function field(f) {
    var label = element("label", f.label);
    if (!f.required) {
      label.append(" ", element("small", "(optional)"));
    }
    var input = document.createElement("input");
    input.name = f.path;
    input.type = f.type || "text";
    input.required = Boolean(f.required);
    ["autocomplete", "min", "max"].forEach(function (name) {
      if (f[name]) {
        input.setAttribute(name, f[name]);
      }
    });
    label.append(input);
    return label;
  }

  function render(request) {
    var later = main.querySelector("form") !== null;
    var open = request.forms.filter(function (f) { return f.state === "SENT"; })[0];
    if (!open) {
      show([element("h1", request.state === "COMPLETED" ? "Thank you, that is all." : "This request has ended.")]);
      // Who comes back to a form that was sent is not sent away again.
      if (later && request.state === "COMPLETED" && request.redirect) {
        tell({ redirect: request.redirect });
      }
      return;
    }
    var form = document.createElement("form");
    open.fields.forEach(function (f) { form.append(field(f)); });
    var error = element("p", "", "error");
    error.setAttribute("role", "alert");
    var button = element("button", "Continue");
    form.append(error, button);
    form.addEventListener("submit", function (e) {
      e.preventDefault();
      var values = Object.fromEntries(new FormData(form));
      button.disabled = true;
      error.textContent = "";
      ask("/api/forms/" + encodeURIComponent(open.id), { values: values }).then(render, function (err) {
        button.disabled = false;
        error.textContent = err.message;
      });
    });
    show([element("h1", open.title), form]);
    var first = form.querySelector("input");
    if (later && first) {
      first.focus();
    }
  }

  function start() {
    ask("/api/request").then(render, function (err) {
      var again = element("button", "Try again");
      again.addEventListener("click", start);
      show([element("h1", "This form cannot be opened."), element("p", err.message, "error"), again]);
    });
  }

  start();
})();
