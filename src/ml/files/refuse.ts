/**
 * How the file readers refuse: one line that names the file and the fault. Names taken from a file are
 * untrusted text, so they are cut and stripped of control characters before they reach a terminal.
 */

import { basename } from 'node:path'
import { type ErrorCode, UserError } from '../../errors.js'

/** Long enough for any published tensor name. */
const MAX_SHOWN = 120

/** @returns `text` on one line, without control characters, at most 120 characters. */
export function printable(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029\ud800-\udfff]/gu, '?')
  return flat.length > MAX_SHOWN ? `${flat.slice(0, MAX_SHOWN)}...` : flat
}

/**
 * An error about a damaged, missing or dangerous file.
 * @param file its path; the base name is shown, the whole path is in `details`
 */
export function refuse(
  file: string,
  reason: string,
  options: { readonly code?: ErrorCode; readonly remedy?: string; readonly cause?: unknown } = {},
): UserError {
  return new UserError(`${printable(basename(file))}: ${reason}`, {
    code: options.code ?? 'BAD_ARGUMENT',
    remedy: options.remedy ?? 'fetch the file again or check where it came from',
    details: { file },
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  })
}
