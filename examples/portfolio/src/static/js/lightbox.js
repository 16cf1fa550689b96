// Opens a piece's pictures in a dialog, one after the other. Without it the links lead to the files.
"use strict";

for (const gallery of document.querySelectorAll("[data-lightbox]")) {
  const links = [...gallery.querySelectorAll("figure > a")];
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Picture");
  const image = document.createElement("img");
  const caption = document.createElement("p");
  let shown = 0;

  const button = (label, sign, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.setAttribute("aria-label", label);
    made.className = label.toLowerCase();
    made.textContent = sign;
    made.addEventListener("click", action);
    return made;
  };

  const show = (index) => {
    shown = (index + links.length) % links.length;
    const source = links[shown].querySelector("img");
    const note = links[shown].parentElement.querySelector("figcaption");
    image.src = links[shown].href;
    image.alt = source.alt;
    const place = links.length > 1 ? `${shown + 1} of ${links.length}` : "";
    caption.textContent = [note?.textContent, place].filter(Boolean).join(" · ");
  };

  dialog.append(image, caption, button("Close", "×", () => dialog.close()));
  if (links.length > 1) {
    dialog.append(
      button("Previous", "‹", () => show(shown - 1)),
      button("Next", "›", () => show(shown + 1)),
    );
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(shown - 1);
    if (event.key === "ArrowRight") show(shown + 1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => links[shown].focus());

  links.forEach((link, index) => {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(index);
      dialog.showModal();
    });
  });
  document.body.append(dialog);
}
