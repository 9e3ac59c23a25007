// What scrolls sideways can be reached by keyboard; the search and each code block's buttons have a name of their own.
const mend = () => {
  for (const part of document.querySelectorAll("pre > code, .md-typeset__scrollwrap"))
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
  document.querySelectorAll(".md-code__nav").forEach((nav, index) => nav.setAttribute("aria-label", `Code block ${index + 1}`));
};
addEventListener("load", mend);
addEventListener("resize", mend);
new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
