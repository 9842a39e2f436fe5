/** The roles, spelled out here because the schema that defines them is too slow to load for a help text. */
import type { Role } from '../config/schema.js'

export const ROLE_NAMES = [
  'prover',
  'challenger',
  'coordinator',
  'payer',
  'provider',
  'auditor',
] as const satisfies readonly Role[]
