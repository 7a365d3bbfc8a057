// A router of a few lines: the path is the state, links change it without a request.
import "./style.css";

const view = document.getElementById("view");

function render() {
  const path = location.pathname;
  const user = path.match(/^\/users\/([^/]+)$/);
  if (path === "/") view.innerHTML = "<h1>Home</h1><p>This page came from a directory.</p>";
  else if (path === "/about") view.innerHTML = "<h1>About</h1><p>This path is no file: the fallback answered.</p>";
  else view.innerHTML = "<h1></h1>";
  if (user) view.firstChild.textContent = `User ${decodeURIComponent(user[1])}`;
  else if (!view.firstChild.textContent) view.firstChild.textContent = "There is no such page";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || link.origin !== location.origin) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  render();
});
addEventListener("popstate", render);
render();
