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
    tell({ height: Math.ceil(main.getBoundingClientRect().bottom + window.scrollY) + 20 });
  }

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
    }).then(function (response) {
      return response.json().then(function (value) {
        if (!response.ok) {
          throw new Error(value.errors[0].message);
        }
        return value;
      });
    });
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
    label.append(input);
    return label;
  }

  function render(request) {
    var later = main.querySelector("form") !== null;
    var open = request.forms.filter(function (f) { return f.state === "SENT"; })[0];
    if (!open) {
      show([element("h1", request.state === "COMPLETED" ? "Thank you, that is all." : "This request has ended.")]);
      if (request.state === "COMPLETED" && request.redirect) {
        tell({ redirect: request.redirect });
      }
      return;
    }
    var form = document.createElement("form");
    open.fields.forEach(function (f) { form.append(field(f)); });
    var error = element("p", "", "error");
    error.setAttribute("role", "alert");
    form.append(error, element("button", "Continue"));
    form.addEventListener("submit", function (e) {
      e.preventDefault();
      var values = Object.fromEntries(new FormData(form));
      ask("/api/forms/" + encodeURIComponent(open.id), { values: values }).then(render, function (err) {
        error.textContent = err.message;
      });
    });
    show([element("h1", open.title), form]);
    var first = form.querySelector("input");
    if (later && first) {
      first.focus();
    }
  }

  ask("/api/request").then(render, function () {
    show([element("h1", "This form cannot be opened.")]);
  });
})();
