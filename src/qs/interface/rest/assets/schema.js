"use strict";
window.addEventListener("load", function () {
  window.SwaggerUIBundle({
    url: "/schema/openapi.json",
    dom_id: "#schema",
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis],
  });
});
