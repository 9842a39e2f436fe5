/** Following a daemon over its control socket: for a program beside it that must know something as it changes. */
import { connect, type Socket } from 'node:net'
import { LineReader, MAX_ANSWER_BYTES, readAnswer } from './control-client.js'

export interface ControlFollowing {
  /** Called with what the daemon tells, as it tells it. */
  readonly onValue: (value: unknown) => void
  /** Nobody tells anything at the moment: no daemon runs, or it went. */
  readonly onSilence: () => void
}

/** A daemon that starts beside its followers is found within. */
const AGAIN_MS = 10_000

/** Follows whichever daemon serves `path`, the next one as well, until the function that is given is called. */
export function followControlSocket(
  path: string,
  feed: string,
  { onValue, onSilence }: ControlFollowing,
): () => void {
  let socket: Socket | undefined
  let again: NodeJS.Timeout | undefined
  let isOver = false
  const begin = (): void => {
    const reader = new LineReader(MAX_ANSWER_BYTES)
    const opened = connect(path)
    socket = opened
    // It keeps nobody from ending.
    opened.unref()
    opened.on('error', () => undefined)
    opened.once('connect', () => opened.write(`${JSON.stringify({ follow: feed })}\n`))
    opened.on('data', (chunk) => {
      try {
        for (const line of reader.push(chunk)) {
          const answer = readAnswer(line)
          // A daemon of another version has no such feed.
          if ('error' in answer) opened.destroy()
          else if (!isOver) onValue(answer.result)
        }
      } catch {
        opened.destroy()
      }
    })
    opened.once('close', () => {
      if (isOver) return
      onSilence()
      again = setTimeout(begin, AGAIN_MS)
      again.unref()
    })
  }
  begin()
  return () => {
    isOver = true
    clearTimeout(again)
    socket?.destroy()
  }
}
