import { z } from 'zod';
import { namePattern, nameRule } from '../model/names.ts';

/** A guest's, host's or fleet's name: it becomes a path component, a systemd instance and a Terraform id. */
export const nameSchema = z.string().regex(namePattern, `must be a name: ${nameRule}`);
