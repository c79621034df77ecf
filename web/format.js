// How numbers and times are written everywhere in the viewer.

const MINUS = '\u2212';
const NONE = '\u2013';

export const signed = (value, digits = 2) =>
  `${value < 0 ? MINUS : value > 0 ? '+' : ''}${Math.abs(value).toFixed(digits)}`;

export const number = (value, digits = 3) =>
  Number.isFinite(value) ? value.toFixed(digits).replace('-', MINUS) : NONE;

export const percent = (fraction) => `${Math.round(100 * fraction)}\u2009%`;

export const count = (value) => (Number.isFinite(value) ? value.toLocaleString('en') : NONE);

export function when(time) {
  if (!time) return NONE;
  return new Date(time).toLocaleString('en-GB', {
    day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit',
  });
}

// What a model is called: its name, or what and when.
export const modelName = (model) => model.name || `${model.preset} \u00d7 ${model.width}, ${when(model.created_at)}`;

// What became of the model of a training, and why.
export const decisionText = ({ activated, reason }) =>
  `${activated ? 'Became the active model' : 'Did not become the active model'}: ${reason}.`;

// Seconds as "45 s", "3 min 05 s", "2 h 10 min".
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const whole = Math.max(0, Math.round(seconds));
  const two = (value) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
}

// At most `digits` significant digits, short: 0.0123, 1.5, 12000 as 12k.
export function compact(value) {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  const text = size >= 10000 ? `${Math.round(size / 1000)}k`
    : size === 0 ? '0'
      : String(Number(size.toPrecision(3)));
  return value < 0 ? MINUS + text : text;
}
