// What is uploaded together, and what of a volume lies on one level. Pure.

const LABEL = /(^|[^a-z])(seg|label|labels|mask|truth|gt|lesion|tumou?r)([^a-z]|$)/i;
const ORGAN = /(^|[^a-z])(organ|liver)([^a-z]|$)/i;
const SUFFIX = /\.nii(\.gz)?$/i;

export const isNifti = (name) => SUFFIX.test(name);
export const stem = (name) => name.replace(SUFFIX, '');

// What a file is by its name, as people name them: BraTS has _seg, others label, mask, truth.
export function guessRole(name, preset) {
  if (LABEL.test(stem(name))) return 'label';
  return preset === 'liver' && ORGAN.test(stem(name)) ? 'organ' : 'image';
}

// The beginning that all names share, cut at the last separator: the case.
export function commonName(names) {
  if (names.length < 2) return names.length ? stem(names[0]) : '';
  const [first, ...others] = names.map(stem);
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && same < other.length && other[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length).replace(/[-_. ]+$/, '');
}

// rows: [{ role, name }] -> what is wrong with them, by row (index -> text) and for all ('all' -> text).
export function faultsOf(rows, { isOneScan }) {
  const faults = new Map();
  rows.forEach(({ name }, i) => {
    if (!isNifti(name)) faults.set(i, 'not a NIfTI file: .nii or .nii.gz');
  });
  if (!rows.length) faults.set('all', 'Choose at least one file.');
  else if (isOneScan) {
    if (!rows.some(({ role }) => role === 'image')) faults.set('all', 'At least one file has to be a channel.');
    for (const role of ['label', 'organ']) {
      rows.forEach((row, i) => {
        if (row.role === role && rows.findIndex((other) => other.role === role) < i) faults.set(i, `a second ${role} file`);
      });
    }
  }
  return faults;
}

// Which row a refusal is about: "channel 2: …" counts the images from 0, 'part "label": …' names the part.
export function rowOf(problem, rows) {
  const channel = /^channel (\d+):/.exec(problem.message);
  if (channel) {
    const images = rows.map((row, i) => [row, i]).filter(([{ role }]) => role === 'image');
    return images[Number(channel[1])]?.[1] ?? -1;
  }
  const part = /^part "(\w+)":/.exec(problem.message);
  return part ? rows.findIndex(({ role }) => role === part[1]) : -1;
}

// Slices of a volume -> [{ level, slices }], from the bottom up; of a halved level, the patient's right half
// first, as radiologists look at it.
export function levelsOf(slices) {
  const levels = new Map();
  for (const slice of slices) {
    if (!levels.has(slice.index)) levels.set(slice.index, []);
    levels.get(slice.index).push(slice);
  }
  return [...levels].sort(([a], [b]) => a - b).map(([level, found]) => ({
    level, slices: found.sort((a, b) => (b.part ?? '').localeCompare(a.part ?? '')),
  }));
}

// One gray window for a whole volume: of what stands out from the most common value (the ground), all but
// the brightest few.
export function windowOf(planes) {
  const values = planes.flatMap((plane) => Array.from(plane));
  if (!values.length) return [0, 1];
  const ground = values.reduce((a, b) => Math.min(a, b), Infinity);
  const inside = Float32Array.from(values.filter((value) => value > ground)).sort();
  if (!inside.length) return [ground, ground + 1];
  const at = (part) => inside[Math.round(part * (inside.length - 1))];
  const low = at(0.01);
  const high = at(0.995);
  return high > low ? [low - (high - low) * 0.05, high] : [ground, high];
}
