/** What one check of `doctor` found. */
import { UserError } from '../errors.js'

export interface Finding {
  readonly check: string
  readonly verdict: 'ok' | 'warning' | 'problem' | 'skipped'
  readonly message: string
  readonly remedy?: string
}

export const ok = (check: string, message: string): Finding => ({ check, verdict: 'ok', message })
export const problem = (check: string, message: string, remedy: string): Finding => ({
  check,
  verdict: 'problem',
  message,
  remedy,
})
export const warning = (check: string, message: string, remedy: string): Finding => ({
  check,
  verdict: 'warning',
  message,
  remedy,
})
export const skipped = (check: string, message: string): Finding => ({ check, verdict: 'skipped', message })

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function remedyOf(error: unknown): string | undefined {
  return error instanceof UserError ? error.remedy : undefined
}
