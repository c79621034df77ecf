// What to annotate next (openapi.yaml, /v1/suggestions).

import { getJson, getSlice, query } from './api.js';

// -> { strategy, model, items: [{ slice: Slice, score }] , ... as the server says }.
export async function suggest({ dataset, strategy, limit }) {
  const answer = await getJson(query('/v1/suggestions', { dataset, strategy, limit }));
  const items = await Promise.all(answer.items.map(async ({ slice, score }) => ({
    slice: typeof slice === 'string' ? await getSlice(slice) : slice, score,
  })));
  return { ...answer, items };
}
