/** What a plan does to one object. A closed set. */
export type Action = 'create' | 'update' | 'restart' | 'replace' | 'delete' | 'noop';

/** What a change costs those who use the object. */
export type Disruption = 'none' | 'live' | 'restart' | 'replace' | 'data-loss';
