import { describe, expect, test } from 'vitest';
import { planChange } from '../../../provider/tfplugin/engine/plan.ts';
import { replacePaths } from '../../../provider/tfplugin/engine/replace.ts';
import { attribute, type ObjectValue, type Schema, UNKNOWN } from '../../../provider/tfplugin/index.ts';

const schema: Schema = {
  attributes: {
    id: attribute.string({ computed: true, keepWhenUpdated: true }),
    name: attribute.string({ required: true, requiresReplace: true }),
    size: attribute.number({ optional: true, computed: true, default: 3 }),
    auto: attribute.string({ optional: true, computed: true }),
    zone: attribute.string({ optional: true, computed: true, requiresReplace: true }),
    secret: attribute.string({ optional: true, writeOnly: true }),
    revision: attribute.number({ computed: true }),
    door: attribute.nested(
      'single',
      {
        hinge: attribute.string({ optional: true, requiresReplace: true }),
        serial: attribute.string({ computed: true }),
      },
      { optional: true },
    ),
    rooms: attribute.nested(
      'map',
      { width: attribute.number({ optional: true, requiresReplace: true }) },
      {
        optional: true,
      },
    ),
    drawers: attribute.nested(
      'list',
      { label: attribute.string({ optional: true, requiresReplace: true }) },
      {
        optional: true,
      },
    ),
    stickers: attribute.nested(
      'set',
      {
        text: attribute.string({ required: true }),
        shade: attribute.string({ optional: true, computed: true, default: 'white' }),
        glue: attribute.string({ computed: true }),
      },
      { optional: true },
    ),
    integrity: attribute.nested('single', { intact: attribute.bool({ computed: true }) }, { computed: true }),
  },
};

const nothing = Object.fromEntries(Object.keys(schema.attributes).map((name) => [name, null]));
const prior: ObjectValue = {
  ...nothing,
  id: 'i',
  name: 'a',
  size: 3,
  auto: 'chosen',
  zone: 'z1',
  revision: 1,
  integrity: { intact: true },
};
const plan = (config: ObjectValue, proposed: ObjectValue, before: ObjectValue | null = prior): ObjectValue =>
  planChange({
    schema,
    prior: before,
    config: { ...nothing, ...config },
    proposed: { ...nothing, ...proposed },
  }).planned;

describe('the plan', () => {
  test('of a creation: defaults, unknowns, and no write-only value', () => {
    const config = { name: 'a', secret: 's', door: { hinge: null, serial: null } };
    expect(plan(config, config, null)).toEqual({
      ...nothing,
      name: 'a',
      size: 3,
      id: UNKNOWN,
      auto: UNKNOWN,
      zone: UNKNOWN,
      revision: UNKNOWN,
      integrity: UNKNOWN,
      door: { hinge: null, serial: UNKNOWN },
    });
  });

  test('without a difference is the prior state', () => {
    expect(plan({ name: 'a' }, prior)).toEqual(prior);
    expect(plan({ name: 'a', secret: 's' }, { ...prior, secret: 's' })).toEqual(prior);
  });

  test('with one: what is kept stays, the rest of the computed becomes unknown', () => {
    expect(plan({ name: 'a', size: 4 }, { ...prior, size: 4 })).toEqual({
      ...prior,
      size: 4,
      auto: UNKNOWN,
      zone: UNKNOWN,
      revision: UNKNOWN,
      integrity: UNKNOWN,
    });
  });

  test('goes back to the default where the configuration no longer says anything', () => {
    expect(plan({ name: 'a' }, { ...prior, size: 9 }, { ...prior, size: 9 })).toMatchObject({
      size: 3,
      revision: UNKNOWN,
    });
  });

  test('pairs the elements of a set with what they were configured as', () => {
    const stickers = [
      { text: 'b', shade: null, glue: null },
      { text: 'a', shade: 'blue', glue: null },
    ];
    const proposed = [
      { text: 'a', shade: 'blue', glue: null },
      { text: 'b', shade: null, glue: null },
    ];
    expect(plan({ name: 'a', stickers }, { ...prior, stickers: proposed })['stickers']).toEqual([
      { text: 'a', shade: 'blue', glue: UNKNOWN },
      { text: 'b', shade: 'white', glue: UNKNOWN },
    ]);
  });

  test('of a hook that found drift: its constants stand, the other computed values become unknown', () => {
    const broken = { ...prior, integrity: { intact: false } };
    const engine = planChange({ schema, prior: broken, config: { ...nothing, name: 'a' }, proposed: broken });
    expect(engine.planned).toEqual(broken);
    expect(engine.withComputedUnknown({ ...engine.planned, integrity: { intact: true } })).toEqual({
      ...prior,
      auto: UNKNOWN,
      zone: UNKNOWN,
      revision: UNKNOWN,
    });
  });

  test('leaves what is unknown in the configuration unknown', () => {
    expect(plan({ name: UNKNOWN, door: UNKNOWN }, { ...prior, name: UNKNOWN, door: UNKNOWN })).toMatchObject({
      name: UNKNOWN,
      door: UNKNOWN,
    });
  });
});

describe('replacement', () => {
  const paths = (before: ObjectValue, after: ObjectValue, config: ObjectValue): readonly unknown[] =>
    replacePaths(
      schema.attributes,
      { ...prior, ...before },
      { ...prior, ...after },
      { ...nothing, ...config },
    );

  test('names attributes at any depth', () => {
    expect(paths({}, { name: 'b' }, { name: 'b' })).toEqual([['name']]);
    expect(paths({ door: { hinge: 'l' } }, { door: { hinge: 'r' } }, { door: { hinge: 'r' } })).toEqual([
      ['door', 'hinge'],
    ]);
    expect(paths({ rooms: { k: { width: 1 } } }, { rooms: { k: { width: 2 } } }, {})).toEqual([
      ['rooms', 'k', 'width'],
    ]);
    expect(paths({ drawers: [{ label: 'x' }] }, { drawers: [{ label: 'x' }, { label: 'y' }] }, {})).toEqual([
      ['drawers', 1, 'label'],
    ]);
  });

  test('is not forced by a value that another change made unknown, but by one configured as unknown', () => {
    expect(paths({}, { zone: UNKNOWN }, {})).toEqual([]);
    expect(paths({}, { zone: UNKNOWN }, { zone: UNKNOWN })).toEqual([['zone']]);
  });

  test('is forced by taking a value out', () => {
    expect(paths({ door: { hinge: 'l' } }, { door: null }, {})).toEqual([['door', 'hinge']]);
  });
});
