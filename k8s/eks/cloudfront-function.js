// Viewer request of the web client's pages: what names no file is a page that the client draws itself.
// Only for the default behaviour: /api/* and /socket have behaviours of their own and never come here.
function handler(event) {
  var request = event.request;
  var last = request.uri.substring(request.uri.lastIndexOf("/") + 1);
  if (last.indexOf(".") === -1) {
    request.uri = "/index.html";
  }
  return request;
}
