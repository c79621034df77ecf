// Pointers to gestures: mouse, pen or one finger draw; two fingers, the middle button or a finger beside a pen pan
// and zoom; the wheel changes the size, with ctrl (a pinch on a touch pad) it zooms. Knows no drawing.

const WHEEL_ZOOM = 0.0025; // per unit of the wheel

export class Gestures {
  #pointers = new Map(); // id -> { x, y } of those that are down
  #doing = ''; // 'draw', 'pan' (or zoom), 'wait' until all are up
  #penSeen = false;

  // on: { down(at), move(at), up(), cancel(), hover(at or null), pan(dx, dy), zoom(factor, x, y), size(steps) };
  // at: { x, y } in CSS pixels of the element, pressure, isPen.
  constructor(element, on) {
    this.element = element;
    this.on = on;
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, (event) => this.#up(event, end));
    element.addEventListener('pointerleave', () => on.hover(null));
    element.addEventListener('contextmenu', (event) => event.preventDefault());
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  #at(event) {
    const box = this.element.getBoundingClientRect();
    return {
      x: event.clientX - box.left, y: event.clientY - box.top,
      pressure: event.pressure, isPen: event.pointerType === 'pen',
    };
  }

  #down(event) {
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    if (at.isPen) this.#penSeen = true;
    if (this.#pointers.size > 1) {
      if (this.#doing === 'draw') this.on.cancel();
      this.#doing = 'pan';
    } else if (event.button === 1 || (event.pointerType === 'touch' && this.#penSeen)) {
      this.#doing = 'pan';
    } else if (event.button === 0) {
      this.#doing = 'draw';
      this.on.down(at);
    } else {
      this.#doing = 'wait';
    }
  }

  #move(event) {
    const at = this.#at(event);
    this.on.hover(event.pointerType === 'touch' ? null : at);
    if (!this.#pointers.has(event.pointerId)) return;
    if (this.#doing === 'draw') {
      const steps = event.getCoalescedEvents();
      for (const step of steps.length ? steps : [event]) this.on.move(this.#at(step));
    } else if (this.#doing === 'pan') {
      const before = this.#spread();
      this.#pointers.set(event.pointerId, at);
      const after = this.#spread();
      this.on.pan(after.x - before.x, after.y - before.y);
      if (before.size && after.size) this.on.zoom(after.size / before.size, after.x, after.y);
    }
    this.#pointers.set(event.pointerId, at);
  }

  // The middle of all pointers and their mean distance from it.
  #spread() {
    const all = [...this.#pointers.values()];
    const x = all.reduce((sum, at) => sum + at.x, 0) / all.length;
    const y = all.reduce((sum, at) => sum + at.y, 0) / all.length;
    return { x, y, size: all.reduce((sum, at) => sum + Math.hypot(at.x - x, at.y - y), 0) / all.length };
  }

  #up(event, end) {
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#doing === 'draw') {
      if (end === 'pointerup') this.on.up();
      else this.on.cancel();
    }
    this.#doing = this.#pointers.size ? 'wait' : '';
  }

  #wheel(event) {
    event.preventDefault();
    const at = this.#at(event);
    if (event.ctrlKey || event.metaKey) this.on.zoom(Math.exp(-event.deltaY * WHEEL_ZOOM), at.x, at.y);
    else if (event.deltaY) this.on.size(event.deltaY < 0 ? 1 : -1);
  }
}
