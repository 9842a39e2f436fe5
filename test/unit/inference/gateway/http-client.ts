/** HTTP by hand: what no well-behaved client would send. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { writeWav } from '../../../../src/ml/audio/wav-write.js'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** The error object of a body that has nothing else. */
  readonly error: Readonly<Record<string, unknown>>
}

export async function answerOf(sent: ClientRequest): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject)
  })
  let text = ''
  for await (const piece of response) text += String(piece)
  const { statusCode: status = 0, headers } = response
  let error: Answer['error'] = {}
  if (headers['content-type'] === 'application/json') {
    const body = JSON.parse(text)
    if (Object.keys(body).join() === 'error') error = body.error
  }
  return { status, headers, text, error }
}

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export const open = (url: string, { method = 'GET', headers = {} }: Sent = {}): ClientRequest =>
  request(url, { method, headers, agent: false })

export function ask(url: string, sent: Sent = {}): Promise<Answer> {
  const asked = open(url, sent)
  asked.end(sent.body)
  return answerOf(asked)
}

const BOUNDARY = 'a-boundary'

export interface Part {
  readonly name: string
  readonly fileName?: string
  readonly content: string | Uint8Array
}

/** A form, byte by byte as RFC 7578 has it. */
export function form(...parts: readonly Part[]): Sent & { readonly body: Buffer } {
  const pieces = parts.flatMap(({ name, fileName, content }) => [
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"`,
    fileName === undefined ? '\r\n\r\n' : `; filename="${fileName}"\r\ncontent-type: audio/wav\r\n\r\n`,
    content,
    '\r\n',
  ])
  const body = Buffer.concat([...pieces, `--${BOUNDARY}--\r\n`].map((each) => Buffer.from(each)))
  return { method: 'POST', headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }, body }
}

/** A tone, as a file. */
export const tone = (seconds: number, sampleRate = 8000): Uint8Array =>
  writeWav({
    sampleRate,
    channels: [Float32Array.from({ length: seconds * sampleRate }, (_, i) => 0.3 * Math.sin(i / 3))],
  })

export const recording = (content: Uint8Array, more: Readonly<Record<string, string>> = {}) =>
  form(
    { name: 'model', content: more.model ?? 'recogniser' },
    ...Object.entries(more).flatMap(([name, value]) => (name === 'model' ? [] : [{ name, content: value }])),
    { name: 'file', fileName: 'a.wav', content },
  )

/** Writes bytes to a port, and returns what comes back until the other side ends it. */
export function raw(url: string, write: (send: (text: string) => void) => void): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => write((text) => void socket.write(text)))
    socket.on('data', (piece) => {
      received += String(piece)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received))
  })
}
