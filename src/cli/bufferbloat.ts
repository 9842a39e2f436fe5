/** Grades and rates under load in words: what was not seen to its end is no more than a bound. */
import type { BufferbloatGrade } from '../pob/telemetry/latency.js'

/** @param isStillRising the queue still grew when the slots ended */
export function gradeText(grade: BufferbloatGrade, isStillRising: boolean): string {
  // There is nothing worse than F.
  return isStillRising && grade !== 'F' ? `${grade} or worse` : grade
}

export function rpmText(rpm: number, isStillRising: boolean): string {
  return `${isStillRising ? 'at most ' : ''}${rpm} RPM`
}
