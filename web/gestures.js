// What a pointer does on a picture: dragging sets the window, with shift or another button moves the picture;
// wheel and two fingers zoom. Amounts are parts of the element's size.

const WHEEL = 1 / 400; // doublings per pixel of wheel

/** @param {{ x: number, y: number }[]} pair */
const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
/** @param {{ x: number, y: number }[]} pair */
const apart = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y) || 1;

/**
 * onWheel, if given, is called instead of zooming by the wheel: 1 downwards, -1 upwards.
 * @param {HTMLElement} element
 * @param {{ onWindow: (x: number, y: number) => void, onPan: (x: number, y: number) => void,
 *   onZoom: (factor: number, x: number, y: number) => void, onWheel?: (direction: number) => void }} calls
 */
export function watchGestures(element, { onWindow, onPan, onZoom, onWheel }) {
  const pointers = new Map(); // id -> last place
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  let isPanning = false;

  element.addEventListener('pointerdown', (event) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    isPanning = event.button !== 0 || event.shiftKey;
    if (event.button === 1) event.preventDefault(); // no scrolling by the middle button
  });
  element.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const fingers = [...pointers.values()];
    const now = place(event);
    pointers.set(event.pointerId, now);
    if (fingers.length === 2) {
      const after = [...pointers.values()];
      const [from, to] = [middle(fingers), middle(after)];
      onPan(to.x - from.x, to.y - from.y);
      onZoom(apart(after) / apart(fingers), to.x, to.y);
    } else if (fingers.length === 1) {
      (isPanning ? onPan : onWindow)(now.x - before.x, now.y - before.y);
    }
  });
  for (const end of ['pointerup', 'pointercancel']) {
    element.addEventListener(end, (event) => pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
  }
  element.addEventListener('contextmenu', (event) => event.preventDefault());
  element.addEventListener('wheel', (event) => {
    event.preventDefault();
    if (onWheel) return onWheel(Math.sign(event.deltaY));
    const { x, y } = place(event);
    return onZoom(2 ** (-event.deltaY * WHEEL), x, y);
  }, { passive: false });
}
