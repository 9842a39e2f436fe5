/** Runs the job of a request: cancelled with it, counted, its price told in headers, and paid once. */
import { formatEther } from '../../chain/ether.js'
import { UserError } from '../../errors.js'
import type { Job, JobAnswer, JobInput, JobOutput, JobPayment, ServedModel } from '../job.js'
import { largest } from '../payment/wei.js'
import { paymentsTotal } from '../payments-total.js'
import { priceOf, unitsOf } from '../units.js'
import { bytesOf } from './answer-bytes.js'
import { ApiError } from './api-error.js'
import { isClientGone } from './body.js'
import type { GatewayContext } from './context.js'
import type { Exchange } from './exchange.js'

type Kind = JobOutput['kind']
export type AnswerOf<K extends Kind> = JobAnswer & {
  readonly output: Extract<JobOutput, { readonly kind: K }>
}

export interface JobRun<K extends Kind> {
  readonly job: Job
  /** What the job's task gives. */
  readonly kind: K
  readonly onText?: (text: string) => void
}

/** @throws ApiError; what the source throws */
export async function runJob<K extends Kind>(
  exchange: Exchange,
  context: GatewayContext,
  { job, kind, onText }: JobRun<K>,
): Promise<AnswerOf<K>> {
  const { paidAnswers } = context
  const paid = exchange.nextJob(job)
  const kept = paidAnswers.take(paid)
  const answer = kept ?? (await runNow(exchange, context, { job, kind, ...(onText && { onText }) }))
  const { payments = [] } = answer
  for (const payment of payments) exchange.paid(payment)
  if (payments.length > 0) exchange.ifLost(() => (paidAnswers.keep(paid, answer) ? payments.length : 0))
  // A small question may have a large answer: held until the client has it, like what the client sent.
  const bytes = bytesOf(answer.output)
  if (payments.length > 0) exchange.lease.takePaid(bytes)
  else exchange.lease.take(bytes)
  return answer as AnswerOf<K>
}

async function runNow<K extends Kind>(
  exchange: Exchange,
  context: GatewayContext,
  { job, kind, onText }: JobRun<K>,
): Promise<JobAnswer> {
  const { source, maxPriceWei, metrics } = context
  const { signal } = exchange
  // Those of the answer, and of what was none before it.
  const payments: JobPayment[] = []
  const pay = (payment: JobPayment): void => {
    if (!exchange.paid(payment)) return
    payments.push(payment)
    metrics.paid(payment.priceWei)
  }
  try {
    signal.throwIfAborted()
    const answer = await source.run(job, {
      signal,
      onPaid: pay,
      ...(maxPriceWei === undefined ? {} : { maxPriceWei: largest(0n, maxPriceWei - exchange.paidWei) }),
      ...(onText === undefined ? {} : { onText }),
    })
    answer.payments?.forEach(pay)
    if (answer.output.kind !== kind)
      throw new ApiError(`the model answered with ${answer.output.kind} instead of ${kind}`, {
        status: 502,
        code: 'wrong_answer',
      })
    metrics.job(job.task, 'done', answer.runSeconds)
    return payments.length === 0 ? answer : { ...answer, payments }
  } catch (error) {
    metrics.job(job.task, outcomeOf(error, signal))
    throw error
  }
}

function outcomeOf(error: unknown, { aborted, reason }: AbortSignal): 'cancelled' | 'refused' | 'failed' {
  if (aborted) return isClientGone(reason) ? 'cancelled' : 'failed'
  return error instanceof UserError && error.code !== 'UNAVAILABLE' ? 'refused' : 'failed'
}

/**
 * Before the first of several jobs is bought: all of them together. As the cheapest provider asks; what others ask is held
 * against what is left, job by job.
 * @throws ApiError 402 with have and need
 */
export function requireAffordable(
  { maxPriceWei }: GatewayContext,
  { unit, priceWeiPerUnit }: ServedModel,
  inputs: readonly JobInput[],
): void {
  if (maxPriceWei === undefined || priceWeiPerUnit === 0n) return
  const units = inputs.reduce((sum, input) => sum + unitsOf(unit, input), 0)
  const needWei = priceOf(units, priceWeiPerUnit)
  if (needWei > maxPriceWei)
    throw new ApiError(
      `too expensive: have ${formatEther(maxPriceWei)}, need ${formatEther(needWei, 'up')} at least for ${units} units; ` +
        'raise the highest price (--max-price), or send less',
      { status: 402, code: 'price_limit' },
    )
}

/** Who heard it, what it cost, how long the model took: beside an answer whose form is OpenAI's to say. */
export function answerHeaders(
  answers: readonly JobAnswer[],
  ownedBy: string,
  ignored: readonly string[],
): Readonly<Record<string, string>> {
  const total = paymentsTotal(answers.flatMap(({ payments = [] }) => payments))
  const seconds = answers.reduce((sum, { runSeconds }) => sum + runSeconds, 0)
  return {
    'x-plumbline-provider': total?.provider ?? ownedBy,
    ...(answers.length === 0 ? {} : { 'x-plumbline-run-seconds': seconds.toFixed(3) }),
    ...(total === undefined
      ? {}
      : {
          'x-plumbline-price-wei': String(total.priceWei),
          'x-plumbline-units': String(total.units),
          'x-plumbline-receipt': total.receipts,
        }),
    ...(ignored.length === 0 ? {} : { 'x-plumbline-ignored': ignored.join(', ') }),
  }
}
