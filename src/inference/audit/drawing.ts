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

/**
 * Whether a receipt was dated so that its round lies ahead: a provider that dates receipts back could choose those that
 * an old round, known to it, leaves out. Clocks may differ by an epoch.
 * @param nowSeconds of whoever gets the receipt as it is issued
 */
export function isTimely(beacon: BeaconInfo, issuedAt: number, nowSeconds: number): boolean {
  const epoch = epochSeconds(beacon)
  const slack = beacon.kind === 'local' ? Math.max(epoch, LABORATORY_SECONDS) : epoch
  return Math.abs(issuedAt - nowSeconds) <= slack
}
