// Where the picture lies in the drawing area: zoom and pan. Pure; all in CSS pixels but for the picture's own.

const CLOSEST = 64; // CSS pixels per pixel of the picture
const KEEP = 40; // CSS pixels of the picture that stay in sight

export class Viewport {
  #picture = { width: 1, height: 1 };
  #room = { width: 1, height: 1 };
  scale = 1;
  left = 0;
  top = 0;

  // All of the picture, as large as it goes, in the middle.
  fit(picture, room) {
    this.#picture = picture;
    this.#room = room;
    this.scale = this.#fitting();
    this.left = (room.width - picture.width * this.scale) / 2;
    this.top = (room.height - picture.height * this.scale) / 2;
  }

  // The area has another size: what was in the middle stays there, and all of the picture stays all of it.
  resize(room) {
    if (this.scale <= this.#fitting()) {
      this.fit(this.#picture, room);
      return;
    }
    const [dx, dy] = [room.width - this.#room.width, room.height - this.#room.height];
    this.#room = room;
    this.pan(dx / 2, dy / 2);
  }

  #fitting() {
    return Math.min(this.#room.width / this.#picture.width, this.#room.height / this.#picture.height);
  }

  // The place of the picture under a place of the area.
  toPicture(x, y) {
    return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale };
  }

  toRoom(x, y) {
    return { x: this.left + x * this.scale, y: this.top + y * this.scale };
  }

  // Zooms so that what is at (x, y) of the area stays there.
  zoom(factor, x = this.#room.width / 2, y = this.#room.height / 2) {
    const at = this.toPicture(x, y);
    const least = Math.min(this.#fitting(), CLOSEST) / 2;
    this.scale = Math.min(CLOSEST, Math.max(least, this.scale * factor));
    this.left = x - at.x * this.scale;
    this.top = y - at.y * this.scale;
    this.#keep();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#keep();
  }

  // Pans so that this place of the picture is in sight.
  reveal(x, y) {
    const at = this.toRoom(x, y);
    const into = (value, size) => Math.min(size - KEEP, Math.max(KEEP, value)) - value;
    this.left += into(at.x, this.#room.width);
    this.top += into(at.y, this.#room.height);
  }

  #keep() {
    const { width, height } = this.#picture;
    this.left = Math.min(this.#room.width - KEEP, Math.max(KEEP - width * this.scale, this.left));
    this.top = Math.min(this.#room.height - KEEP, Math.max(KEEP - height * this.scale, this.top));
  }
}
