// In the grid of executions the arrow keys lead from one to the next, so that Tab stops there once and not a hundred times.
// Without this script the table below the grid leads to each of them.

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.(".slots > .slot");
  if (!cell || !(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
  const cells = [...cell.parentElement.children];
  const wanted = Math.min(Math.max(cells.indexOf(cell) + STEPS[event.key], 0), cells.length - 1);
  event.preventDefault();
  cell.tabIndex = -1;
  cells[wanted].tabIndex = 0;
  cells[wanted].focus();
});
