// Between the browser's sound and a telephone line: what the microphone hears leaves as frames of 20 ms, 8,000 samples a
// second of µ-law; what comes is played in its order, and each mark is told when all before it was played.
"use strict";
const RATE = 8000;
const FRAME = 160;
const LOUDEST = 32635;
const BIAS = 0x84;

// A sinc under a Hann window, looked up. Its zeros lie a little further apart than the samples of the slower rate, so that
// it is silent where that rate ends: nothing folds back into speech.
const ZEROS = 24;
const PLACES = 512; // from zero to zero
const SLACK = 1.06;
const KERNEL = Float32Array.from({ length: ZEROS * PLACES + 2 }, (_, place) => {
  const angle = (Math.PI * place) / PLACES;
  const sinc = place ? Math.sin(angle) / angle : 1;
  return place < ZEROS * PLACES ? sinc * (0.5 + 0.5 * Math.cos(angle / ZEROS)) : 0;
});

const DECODED = Float32Array.from({ length: 256 }, (_, byte) => {
  const bits = ~byte & 0xff;
  const magnitude = ((((bits & 0xf) << 3) | BIAS) << ((bits >> 4) & 7)) - BIAS;
  return (bits & 0x80 ? -magnitude : magnitude) / 32768;
});

function encoded(value) {
  const sample = Math.round(Math.max(-1, Math.min(1, value)) * 32767);
  const magnitude = Math.min(Math.abs(sample), LOUDEST) + BIAS;
  const segment = 24 - Math.clz32(magnitude); // the highest bit is one of 7 to 14
  const byte = ~((segment << 4) | ((magnitude >> (segment + 3)) & 0xf)) & 0xff;
  return sample < 0 ? byte & 0x7f : byte;
}

// From one rate to another, a sample at a time. It lags by half the kernel, 3 ms.
class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.apart = Math.max(1, this.step) * SLACK;
    this.reach = ZEROS * this.apart;
    const size = 2 ** Math.ceil(Math.log2(2 * this.reach + this.step + 4));
    this.held = new Float32Array(size);
    this.mask = size - 1;
    this.taken = 0; // samples so far
    this.at = 0; // where, among them, the next one lies
  }

  push(sample) {
    this.held[this.taken & this.mask] = sample;
    this.taken += 1;
  }

  isReady() {
    return this.at + this.reach < this.taken;
  }

  next() {
    const { held, mask, at, apart, reach } = this;
    const scale = PLACES / apart;
    const last = Math.floor(at + reach);
    let sum = 0;
    for (let n = Math.max(0, Math.ceil(at - reach)); n <= last; n += 1) {
      sum += held[n & mask] * KERNEL[Math.round(Math.abs(n - at) * scale)];
    }
    this.at += this.step;
    return sum / apart;
  }
}

class TelephoneLine extends AudioWorkletProcessor {
  constructor() {
    super();
    this.spoken = new Resampler(sampleRate, RATE);
    this.played = new Resampler(RATE, sampleRate);
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.queue = []; // sound, and marks among it
    this.place = 0; // in the first of it
    this.loud = { said: 0, heard: 0 };
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take(told) {
    if (told.audio) {
      this.queue.push(Float32Array.from(told.audio, (byte) => DECODED[byte]));
    } else if (told.mark !== undefined) {
      this.queue.push(told.mark);
    } else if (told.clear) {
      const marks = this.queue.filter((one) => typeof one === "string");
      this.queue = [];
      this.place = 0;
      marks.forEach((mark) => this.port.postMessage({ mark }));
    }
  }

  // The next sample for the ear: silence when nothing is there.
  heard() {
    for (let first = this.queue[0]; first !== undefined; first = this.queue[0]) {
      if (typeof first === "string") {
        this.port.postMessage({ mark: first });
      } else if (this.place < first.length) {
        this.place += 1;
        return first[this.place - 1];
      }
      this.queue.shift();
      this.place = 0;
    }
    return 0;
  }

  play(ear) {
    for (let at = 0; at < ear.length; at += 1) {
      while (!this.played.isReady()) {
        const sample = this.heard();
        this.loud.heard += sample * sample;
        this.played.push(sample);
      }
      ear[at] = this.played.next();
    }
  }

  speak(sample) {
    this.spoken.push(sample);
    while (this.spoken.isReady()) {
      const value = this.spoken.next();
      this.loud.said += value * value;
      this.frame[this.filled] = encoded(value);
      this.filled += 1;
      if (this.filled === FRAME) this.send();
    }
  }

  send() {
    const loudness = (sum) => Math.sqrt(sum / FRAME);
    const told = { frame: this.frame, said: loudness(this.loud.said), heard: loudness(this.loud.heard) };
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.loud = { said: 0, heard: 0 };
    this.port.postMessage(told, [told.frame.buffer]);
  }

  process(inputs, outputs) {
    const ear = outputs[0][0];
    const mouth = inputs[0][0];
    this.play(ear);
    // A microphone that gives nothing is a silent one: a telephone goes on sending.
    for (let at = 0; at < ear.length; at += 1) this.speak(mouth ? mouth[at] : 0);
    return true;
  }
}

registerProcessor("telephone-line", TelephoneLine);
