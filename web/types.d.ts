// What openapi.yaml promises, for the checker: nothing here runs. openapi.d.ts is made of openapi.yaml when
// the page is checked (tests/browser/check_types.py), so a call that drifts from the description fails there.

import type { components, paths } from './openapi';

type Schemas = components['schemas'];
export type Dataset = Schemas['Dataset'];
export type Slice = Schemas['Slice'];
export type Volume = Schemas['Volume'];
export type Model = Schemas['Model'];
export type Job = Schemas['Job'];
export type Sort = Schemas['SliceSort'];
export type Label = Schemas['Label'];
export type Strategy = Schemas['Strategy'];
export type Annotation = Schemas['Annotation'];

export type Method = 'get' | 'put' | 'post' | 'delete';
export type Path = keyof paths;
// The paths that know a method.
export type PathOf<M extends Method> = { [P in Path]: NonNullable<paths[P][M]> extends never ? never : P }[Path];
type Operation<P extends Path, M extends Method> = NonNullable<paths[P][M]>;

type Parameters<O, K extends string> = O extends { parameters: infer All }
  ? K extends keyof All ? NonNullable<All[K]> : {} : {};
// The page passes over what is undefined, null or '', so that every parameter may be left out that way.
type Loose<T> = { [K in keyof T]?: T[K] | null | '' };
export type Query<P extends Path, M extends Method> = Loose<Parameters<Operation<P, M>, 'query'>>;

export type Body<P extends Path, M extends Method> = Operation<P, M> extends
  { requestBody?: { content: { 'application/json': infer Json } } } ? Json : never;

type Content<R> = R extends { content: infer C } ? C : never;
type Successes<O> = O extends { responses: infer R }
  ? { [Status in keyof R & (200 | 201 | 202)]: Content<R[Status]> }[keyof R & (200 | 201 | 202)] : never;
export type Answer<P extends Path, M extends Method> = Successes<Operation<P, M>> extends infer C
  ? C extends { 'application/json': infer Json } ? Json : never : never;
// The types of content that an operation answers with.
export type Media<P extends Path, M extends Method> = keyof Successes<Operation<P, M>> & string;

// What a call is made of. `path` fills the {names} of the path.
export type Wish<P extends Path, M extends Method> = {
  path?: Parameters<Operation<P, M>, 'path'>;
  query?: Query<P, M>;
  headers?: Parameters<Operation<P, M>, 'header'>;
  json?: Body<P, M>;
  signal?: AbortSignal;
};
export type ItemOf<P extends Path> = Answer<P, 'get'> extends { items?: (infer Item)[] } ? Item : never;
