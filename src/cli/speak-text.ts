/** The text that is to be spoken: from the command line, or what is piped in. */
import { addAbortSignal } from 'node:stream'
import { UserError } from '../errors.js'
import type { CommandIo } from './io.js'
import { badArgument } from './option.js'

/** Far more than is spoken at once; no more is read of an endless pipe. */
const MOST_BYTES = 1 << 20

/** @throws UserError where nothing is piped in, or too much, or what is no text */
export async function textToSpeak(given: string | undefined, io: CommandIo): Promise<string> {
  if (given !== undefined && given !== '-') return given
  if (io.stdin.isTTY === true)
    throw badArgument('there is nothing to say', 'give the text in quotes, or pipe it in')
  const chunks: Buffer[] = []
  let bytes = 0
  addAbortSignal(io.signal, io.stdin)
  for await (const chunk of io.stdin) {
    const piece = Buffer.from(chunk as Uint8Array)
    bytes += piece.length
    if (bytes > MOST_BYTES)
      throw new UserError('the text on standard input has over a million bytes', {
        code: 'BAD_ARGUMENT',
        remedy: 'cut it into parts',
      })
    chunks.push(piece)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new UserError('what is on standard input is no UTF-8 text', {
      code: 'BAD_ARGUMENT',
      remedy: 'convert it, for example with iconv',
      cause,
    })
  }
}
