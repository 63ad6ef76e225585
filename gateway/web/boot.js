// Applies the chosen theme and language before the first paint, so that nothing flashes in the wrong colours.
(() => {
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const theme = read("paperplane.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const language = read("paperplane.language") ?? navigator.language;
  document.documentElement.lang = language.toLowerCase().startsWith("fr") ? "fr" : "en";
})();
