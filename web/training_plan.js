// What a data set can be trained for, what it lacks, what to do next, and settings to begin with. Pure.

import { count } from './format.js';

export const METHODS = [
  ['genseg', 'GenSeg'],
  ['genseg_separate_decoder', 'GenSeg, separate decoder'],
  ['segmentation_only', 'Segmentation only (baseline)'],
  ['autoencoder', 'Autoencoder (baseline)'],
  ['mean_teacher', 'Mean teacher (baseline)'],
];

// Keys of a data set's counts.training: what is not held out for validation and test.
export const KINDS = {
  presence: 'slices labelled presence',
  absence: 'slices labelled absence',
  annotated_presence: 'annotated presence slices',
};
const ALL = Object.keys(KINDS);
const NEEDS = {
  genseg: ALL,
  genseg_separate_decoder: ALL,
  segmentation_only: ['annotated_presence'],
  autoencoder: ALL,
  mean_teacher: ['presence', 'annotated_presence'],
};

// Below these a training runs, but says little: a validation needs masks of its own, and translation many
// slices of both kinds.
const FEW = { presence: 20, absence: 20, annotated_presence: 3 };

export const needsOf = (method) => NEEDS[method];
export const lacks = (method, training) => NEEDS[method].filter((kind) => !training[kind]);
export const trainable = (training) => METHODS.map(([name]) => name).filter((name) => !lacks(name, training).length);

// One line for each kind: { kind, have, state: 'enough' | 'few' | 'missing' | 'unused', text }.
export function inventory(method, training) {
  const needed = NEEDS[method];
  return [...needed, ...ALL.filter((kind) => !needed.includes(kind))].map((kind) => {
    const have = training[kind];
    const state = !needed.includes(kind) ? 'unused' : !have ? 'missing' : have < FEW[kind] ? 'few' : 'enough';
    const text = { unused: ' – not used by this method', missing: ' – at least one is needed', few: ' – few', enough: '' };
    return { kind, have, state, text: `${KINDS[kind]}${text[state]}` };
  });
}

// What brings this data set forward most: { text, to: 'label' | 'annotate' | 'upload' | null }.
export function nextStep(counts) {
  const { training, unknown, slices } = counts;
  if (!slices) return { text: 'Upload slices or a volume first.', to: 'upload' };
  const label = unknown ? 'label' : 'upload';
  if (!training.presence) {
    return { text: unknown ? `Label slices with a lesion presence: ${count(unknown)} have no label.` : 'Upload slices with a lesion.', to: label };
  }
  if (!training.annotated_presence) return { text: 'Draw the lesion in a few presence slices: scribbles are enough.', to: 'annotate' };
  if (!training.absence) {
    return {
      text: unknown ? `Label slices without a lesion absence: ${count(unknown)} have no label. Until then only baselines can train.`
        : 'Upload slices without a lesion. Until then only baselines can train.',
      to: label,
    };
  }
  if (training.annotated_presence < FEW.annotated_presence) return { text: 'A few more masks help most now.', to: 'annotate' };
  if (unknown) return { text: `${count(unknown)} slices have no label and are not used: labelling them is cheap.`, to: 'label' };
  return { text: 'Everything is there. More masks are what is left; no order of slices was found to beat chance.', to: 'annotate' };
}

// The preset whose images are most like these: only the network's shape depends on it.
export function presetFor({ channels, height, width }) {
  if (Math.min(height, width) < 32) return 'tiny';
  if (Math.max(height, width) <= 64) return 'synthetic48';
  return channels > 1 || height >= 1.5 * width ? 'brain' : 'liver';
}

// Settings with which short trainings went furthest (docs/results.md): discriminators that learn slowly, a
// model that is a moving average, masks in every batch, a segmentation loss that is heard. An average over
// 200 steps (0.995) still holds the random weights of the beginning when there are only hundreds.
const EFFORTS = {
  quick: { width: 0.25, batch_size: 4, min_annotated: 1, average_decay: 0.99, budget: ['max_seconds', 10] },
  thorough: { width: 0.5, batch_size: 8, min_annotated: 2, average_decay: 0.995, budget: ['max_seconds', 180], patience: 20 },
};
const OBJECTIVES = {
  few: { weights: { adv: 10, seg: 5, rec: 20, lat: 1, cyc: 20 }, discriminator_rate: 0.1 },
  synthetic: { weights: { adv: 10, seg: 20, rec: 50, lat: 1, cyc: 50 }, discriminator_rate: 0.1 },
};

// effort: 'quick' or 'thorough'. budget: [kind, in the form's unit: minutes, epochs or steps].
export function settingsFor(effort, preset) {
  const objective = preset.startsWith('synthetic') ? OBJECTIVES.synthetic : OBJECTIVES.few;
  return { ...EFFORTS[effort], ...objective, learning_rate: 0.001, augment: true };
}
