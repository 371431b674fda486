import { attribute, type Schema } from '../../../provider/tfplugin/index.ts';

const optional = { optional: true } as const;

/** One attribute of every kind the protocol knows. */
export const thingSchema: Schema = {
  version: 2,
  description: 'A thing on the shelf.',
  attributes: {
    id: attribute.string({ computed: true, keepWhenUpdated: true }),
    name: attribute.string({
      required: true,
      requiresReplace: true,
      validate: (value) => (value === 'bad name' ? ['A name has no spaces.'] : []),
    }),
    size: attribute.number({ optional: true, computed: true, default: 3 }),
    big: attribute.number(optional),
    exact: attribute.number(optional),
    secret: attribute.string({ optional: true, sensitive: true }),
    password: attribute.string({ optional: true, writeOnly: true }),
    password_version: attribute.number(optional),
    behaviour: attribute.string(optional),
    colour: attribute.string({ optional: true, deprecated: 'Paint the door instead.' }),
    labels: attribute.map('string', optional),
    tags: attribute.set('string', optional),
    sizes: attribute.list('number', optional),
    anything: attribute.dynamic(optional),
    point: attribute.object({ x: 'number', y: 'number' }, optional),
    door: attribute.nested(
      'single',
      {
        color: attribute.string({ required: true }),
        handle: attribute.string({ optional: true, computed: true, default: 'round' }),
        hinge: attribute.string({ optional: true, requiresReplace: true }),
        serial: attribute.string({ computed: true, keepWhenUpdated: true }),
      },
      optional,
    ),
    drawers: attribute.nested(
      'list',
      {
        label: attribute.string({ required: true }),
        depth: attribute.number({ optional: true, computed: true, default: 10 }),
        key: attribute.string({ computed: true }),
      },
      optional,
    ),
    rooms: attribute.nested(
      'map',
      {
        width: attribute.number({
          required: true,
          validate: (value) => (typeof value === 'number' && value < 0 ? ['A width is not negative.'] : []),
        }),
        area: attribute.number({ computed: true }),
      },
      optional,
    ),
    stickers: attribute.nested(
      'set',
      {
        text: attribute.string({ required: true }),
        shade: attribute.string({ optional: true, computed: true, default: 'white' }),
      },
      optional,
    ),
    timeouts: attribute.nested('single', { create: attribute.string(optional) }, optional),
    revision: attribute.number({ computed: true }),
    integrity: attribute.nested(
      'single',
      { present: attribute.bool({ computed: true }), intact: attribute.bool({ computed: true }) },
      { computed: true, description: 'What the thing is like; drift shows here.' },
    ),
  },
};
