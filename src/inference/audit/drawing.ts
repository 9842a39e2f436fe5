/**
 * Which beacon round draws a receipt: one that nobody knew when the receipt was signed, and that comes soon, so that what
 * is not drawn need not be kept. Receipts of one epoch share their round. Pure.
 */
import { type BeaconInfo, firstRoundFrom, timeOfRound } from '../../crypto/beacon.js'

/** Half a minute under drand's quicknet: a beacon is asked twice a minute at most, however many jobs there are. */
const EPOCH_PERIODS = 10

export const epochSeconds = ({ periodSeconds }: BeaconInfo): number => EPOCH_PERIODS * periodSeconds

/**
 * At least one epoch after the receipt, at most two.
 * @param issuedAt of the receipt, Unix seconds
 */
export function drawingRound(beacon: BeaconInfo, issuedAt: number): number {
  const epoch = epochSeconds(beacon)
  return firstRoundFrom(beacon, (Math.floor(issuedAt / epoch) + 2) * epoch)
}

/** Unix seconds from which on it is known whether the receipt is drawn. */
export const drawnFrom = (beacon: BeaconInfo, issuedAt: number): number =>
  timeOfRound(beacon, drawingRound(beacon, issuedAt))

/** A beacon's rounds come up to a period after an epoch ends, and its servers have them a little later. */
const PUBLISHED_PERIODS = 2

/**
 * Milliseconds until the next rounds that draw anything are there: whoever waits for them need not ask before.
 * @param nowSeconds Unix seconds, fractions allowed
 */
export function untilNextDrawMs(beacon: BeaconInfo, nowSeconds: number): number {
  const epoch = epochSeconds(beacon)
  const slack = PUBLISHED_PERIODS * beacon.periodSeconds
  const next = (Math.floor((nowSeconds - slack) / epoch) + 1) * epoch + slack
  return Math.ceil((next - nowSeconds) * 1000)
}

/** In a laboratory, whose beacon has no secret from whoever holds its key, a busy machine gets time instead. */
const LABORATORY_SECONDS = 60

/** By the clock of who gets the receipt its round is so far ahead at least, in shares of an epoch: that clock may be behind. */
const LEAST_AHEAD = 1 / 3

/**
 * Whether a receipt was dated so that its round lies ahead: a provider that dates receipts back could choose those that
 * an old round, known to it, leaves out. Clocks may differ by an epoch, and that of who gets the receipt may be behind by
 * {@link LEAST_AHEAD} of one: a receipt that is dated back by an epoch, and kept back until an epoch ends, is drawn within a
 * second.
 * @param nowSeconds of whoever gets the receipt as it is issued
 */
export function isTimely(beacon: BeaconInfo, issuedAt: number, nowSeconds: number): boolean {
  const epoch = epochSeconds(beacon)
  if (beacon.kind === 'local') return Math.abs(issuedAt - nowSeconds) <= Math.max(epoch, LABORATORY_SECONDS)
  return (
    Math.abs(issuedAt - nowSeconds) <= epoch &&
    drawnFrom(beacon, issuedAt) - nowSeconds >= LEAST_AHEAD * epoch
  )
}
