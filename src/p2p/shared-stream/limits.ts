/** What both ends of a shared stream count on. */
import { protocolId, SMALL_MESSAGE_BYTES } from '../protocols.js'

export const SHARED_PROTOCOL = protocolId('shared')
/** Requests without their answer, those that nobody waits for any more included. */
export const MOST_UNDER_WAY = 64
/** Longer requests go on streams of their own: they would hold up what comes behind them. */
export const MAX_SHARED_REQUEST_BYTES = SMALL_MESSAGE_BYTES
