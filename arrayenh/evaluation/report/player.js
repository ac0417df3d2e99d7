// The player of a report, in JavaScript: every stage runs, one of them is heard.
//
// All stages are decoded, started on the same clock and sent through a gain each, so that
// switching keeps the position to the sample. Without script or Web Audio, the browser's own
// players remain, one below each stage.
(() => {
  "use strict";
  const AudioContext = window.AudioContext || window.webkitAudioContext;
  const player = document.getElementById("player");
  if (!AudioContext || !player) return;
  const FADE = 0.008;   // seconds, against clicks
  const JUMP = 2;       // seconds, arrow keys
  const root = document.documentElement;
  const stages = [...document.querySelectorAll(".stage")];
  const buttons = [...player.querySelectorAll("[data-stage]")];
  const playButton = document.getElementById("play");
  const seekBar = document.getElementById("seek");
  const clock = document.getElementById("clock");
  const duration = Number(player.dataset.duration);
  const origin = Number(player.dataset.start);

  let context = null, decoded = null, buffers = null;
  let playing = null;   // { voices, offset, startedAt } while sound runs
  let wanted = false;   // what the reader asked for, while sound is being decoded
  let position = 0, active = 0;

  const bytes = (url) =>
    Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0)).buffer;

  const decode = () => Promise.all(stages.map((stage) =>
    context.decodeAudioData(bytes(stage.querySelector("audio").src))));

  const now = () => playing
    ? Math.min(duration, playing.offset + Math.max(0, context.currentTime - playing.startedAt))
    : position;

  function time(seconds) {
    const tenths = Math.round(10 * (origin + seconds));
    const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return Math.floor(tenths / 600) + ":" + rest;
  }

  function show() {
    const at = now();
    root.style.setProperty("--at", at / duration);
    seekBar.value = at;
    seekBar.setAttribute("aria-valuetext", time(at));
    clock.textContent = time(at) + " / " + time(duration);
    player.classList.toggle("playing", wanted);
    playButton.setAttribute("aria-label", wanted ? "Pause" : "Play");
    if (playing) requestAnimationFrame(show);
  }

  function silence() {
    if (!playing) return;
    position = now();
    for (const { source } of playing.voices) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    playing = null;
  }

  function sound() {
    if (position >= duration) position = 0;
    const startedAt = context.currentTime + 0.02;
    const voices = buffers.map((buffer, stage) => {
      const source = context.createBufferSource(), gain = context.createGain();
      source.buffer = buffer;
      gain.gain.value = stage === active ? 1 : 0;
      source.connect(gain).connect(context.destination);
      source.start(startedAt, position);
      return { source, gain };
    });
    voices[0].source.onended = () => { silence(); wanted = false; position = duration; show(); };
    playing = { voices, offset: position, startedAt };
  }

  function giveUp() {
    wanted = false;
    root.classList.remove("scripted");
    document.getElementById("no-player").hidden = false;
  }

  async function play() {
    wanted = true;
    show();
    try {
      context = context || new AudioContext();
      const running = context.resume();
      decoded = decoded || decode();
      buffers = await decoded;
      await running;
    } catch (error) {
      return giveUp();
    }
    if (wanted && !playing) sound();
    show();
  }

  function pause() {
    wanted = false;
    silence();
    show();
  }

  function seek(seconds) {
    const running = playing !== null;
    silence();
    position = Math.min(Math.max(seconds, 0), duration);
    if (running && position < duration) sound();
    else if (running) wanted = false;
    show();
  }

  function choose(stage) {
    active = stage;
    if (playing) playing.voices.forEach(({ gain }, i) =>
      gain.gain.setTargetAtTime(i === active ? 1 : 0, context.currentTime, FADE / 2));
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === active)));
    stages.forEach((figure, i) => figure.classList.toggle("heard", i === active));
  }

  // A click with the pointer leaves no focus behind, so that space means play again.
  const clicked = (button, action) => button.addEventListener("click", (event) => {
    action();
    if (event.detail > 0) button.blur();
  });
  clicked(playButton, () => (wanted ? pause() : play()));
  buttons.forEach((button, i) => clicked(button, () => choose(i)));
  seekBar.addEventListener("input", () => seek(Number(seekBar.value)));
  stages.forEach((figure, i) => {
    const plot = figure.querySelector(".plot");
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      choose(i);
      seek(duration * (event.clientX - box.left) / box.width);
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const focus = event.target.closest ? event.target : document.body;
    if (!root.classList.contains("scripted")) return;
    if (event.key === " " && !focus.closest("button, a, summary, audio")) {
      wanted ? pause() : play();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      if (focus.closest("audio, .scroll")) return;
      seek(now() + (event.key === "ArrowLeft" ? -JUMP : JUMP));
    } else if (event.key >= "1" && Number(event.key) <= buttons.length) {
      choose(Number(event.key) - 1);
    } else {
      return;
    }
    event.preventDefault();
  });

  root.classList.add("scripted");
  choose(0);
  show();
})();
