// @ts-check
/**
 * Runs in a page: all pieces of text that are seen, each with its colour and what lies behind it. Its value is
 * that of its last expression.
 */
(() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? "";
    if (element === null || text === "" || !element.checkVisibility()) continue;
    /** @type {Element} */
    let behind = element;
    while (behind.parentElement !== null && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)")
      behind = behind.parentElement;
    const paper = getComputedStyle(behind).backgroundColor;
    found.push({ text, ink: getComputedStyle(element).color, paper });
  }
  return found;
})();
