import type { z } from 'zod';
import type { ManagedResource } from '../tfplugin/types.ts';
import type { Kind } from './kind.ts';
import { createResource, updateResource } from './lifecycle/apply.ts';
import { deleteResource } from './lifecycle/delete.ts';
import { importResource } from './lifecycle/import.ts';
import { planResource } from './lifecycle/plan.ts';
import { readResource } from './lifecycle/read.ts';
import { planDelete, Replacements } from './lifecycle/replacement.ts';
import type { Hosts } from './reach.ts';
import { checkSpec } from './values.ts';

/** The Terraform resource of a kind: one life cycle for all. */
export function managed<S extends z.ZodObject, D>(kind: Kind<S, D>, hosts: Hosts): ManagedResource {
  const replacements = new Replacements();
  return {
    schema: kind.schema,
    validate: async ({ config }) => checkSpec(kind.spec, config),
    read: (request) => readResource(kind, hosts, request),
    plan: (request, context) => planResource(kind, hosts, request, context),
    planDelete: async (request) => planDelete(request),
    create: (request) => createResource(kind, hosts, replacements, request),
    update: (request) => updateResource(kind, hosts, replacements, request),
    delete: (request) => deleteResource(kind, hosts, replacements, request),
    importState: (request) => importResource(kind, hosts, request),
  };
}
