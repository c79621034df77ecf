// Which entries of a list are marked, as lists everywhere do it: a click marks one, with ctrl one more or less,
// with shift all from the last one clicked. Knows indices only.

export class Marks {
  #marked = new Set();
  #anchor = 0;

  get size() {
    return this.#marked.size;
  }

  has(index) {
    return this.#marked.has(index);
  }

  // In the order of the list.
  get all() {
    return [...this.#marked].sort((a, b) => a - b);
  }

  only(index) {
    this.#marked = new Set([index]);
    this.#anchor = index;
  }

  // The last one stays: there is always one to look at.
  toggle(index) {
    if (!this.#marked.has(index)) this.#marked.add(index);
    else if (this.#marked.size > 1) this.#marked.delete(index);
    this.#anchor = index;
  }

  extendTo(index) {
    const [from, to] = [Math.min(this.#anchor, index), Math.max(this.#anchor, index)];
    this.#marked = new Set(Array.from({ length: to - from + 1 }, (_, i) => from + i));
  }

  every(length) {
    this.#marked = new Set(Array.from({ length }, (_, i) => i));
  }

  clear() {
    this.#marked.clear();
    this.#anchor = 0;
  }
}
