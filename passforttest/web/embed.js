(function () {
  "use strict";
  var origin = new URL(document.currentScript.src).origin;

  function show(requestId, apikey) {
    var holder = document.getElementById("collection-wrapper");
    if (!holder) {
      throw new Error("PassFortCollect: there is no element with the id collection-wrapper");
    }
    var frame = document.createElement("iframe");
    frame.title = "Form";
    frame.allow = "camera; microphone";
    frame.style.width = "100%";
    frame.style.height = "480px";
    frame.style.border = "0";
    // The credentials travel in the fragment: it is in no request, log or referrer.
    frame.src = origin + "/form#" + new URLSearchParams({ request_id: requestId, apikey: apikey }).toString();
    window.addEventListener("message", function (e) {
      if (e.origin !== origin || e.source !== frame.contentWindow || !e.data) {
        return;
      }
      if (e.data.height > 0) {
        frame.style.height = e.data.height + "px";
      }
      if (e.data.redirect) {
        window.location.assign(e.data.redirect);
      }
    });
    holder.replaceChildren(frame);
  }

  window.PassFortCollect = {
    init: function (options) {
      show(options.request_id, options.apikey);
    },
    initFromUrl: function () {
      var query = new URLSearchParams(window.location.search);
      var requestId = query.get("request_id") || "";
      var apikey = query.get("apikey") || "";
      window.history.replaceState(null, "", window.location.pathname);
      show(requestId, apikey);
    },
  };
})();
