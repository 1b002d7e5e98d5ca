/* Starts Swagger UI on its page. Nothing is asked of any other host: no validator, no fonts. */
const place = document.getElementById("explorer");
window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  layout: "BaseLayout",
  presets: [window.SwaggerUIBundle.presets.apis],
  validatorUrl: "none",
  persistAuthorization: false,
  supportedSubmitMethods: ["get", "put", "post"],
});
