import {
  type FunctionMessage as WireFunction,
  type Function_Parameter as WireParameter,
  type Schema as WireSchema,
  type Schema_Attribute as WireAttribute,
  Schema_Object_NestingMode as NestingMode,
  StringKind,
} from '../generated/tfplugin6.ts';
import { type Attribute, type Attributes, isNested, type Nesting, type Schema } from '../schema.ts';
import type { FunctionParameter, ProviderFunction } from '../types.ts';
import { typeToBytes } from './types.ts';

const NESTING: Readonly<Record<Nesting, NestingMode>> = {
  single: NestingMode.SINGLE,
  list: NestingMode.LIST,
  map: NestingMode.MAP,
  set: NestingMode.SET,
};

export function toWireSchema(schema: Schema): WireSchema {
  const version = schema.version ?? 0;
  return {
    version,
    block: {
      version,
      attributes: toWireAttributes(schema.attributes),
      blockTypes: [],
      description: schema.description ?? '',
      descriptionKind: StringKind.MARKDOWN,
      deprecated: schema.deprecated !== undefined,
    },
  };
}

function toWireAttributes(attributes: Attributes): WireAttribute[] {
  return Object.entries(attributes).map(([name, attribute]) => ({
    name,
    ...typeFields(attribute),
    description: attribute.description ?? '',
    descriptionKind: StringKind.MARKDOWN,
    required: attribute.required ?? false,
    optional: attribute.optional ?? false,
    computed: attribute.computed ?? false,
    sensitive: attribute.sensitive ?? false,
    writeOnly: attribute.writeOnly ?? false,
    deprecated: attribute.deprecated !== undefined,
  }));
}

function typeFields(attribute: Attribute): Pick<WireAttribute, 'type' | 'nestedType'> {
  return isNested(attribute)
    ? {
        type: Buffer.alloc(0),
        nestedType: {
          attributes: toWireAttributes(attribute.attributes),
          nesting: NESTING[attribute.nesting],
        },
      }
    : { type: typeToBytes(attribute.type), nestedType: undefined };
}

export function toWireFunction(definition: ProviderFunction): WireFunction {
  return {
    parameters: definition.parameters.map(toWireParameter),
    variadicParameter:
      definition.variadicParameter === undefined ? undefined : toWireParameter(definition.variadicParameter),
    return: { type: typeToBytes(definition.returns) },
    summary: definition.summary,
    description: definition.description ?? '',
    descriptionKind: StringKind.MARKDOWN,
    deprecationMessage: definition.deprecated ?? '',
  };
}

function toWireParameter(parameter: FunctionParameter): WireParameter {
  return {
    name: parameter.name,
    type: typeToBytes(parameter.type),
    allowNullValue: parameter.allowNull ?? false,
    allowUnknownValues: parameter.allowUnknown ?? false,
    description: parameter.description ?? '',
    descriptionKind: StringKind.MARKDOWN,
  };
}
