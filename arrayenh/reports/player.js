// The players of a report, in JavaScript: every stage runs, one of them is heard.
//
// All stages of a recording are decoded, started on the same clock and sent through a gain
// each, so that switching keeps the position to the sample. A page of several recordings has a
// player for each, of which one plays. Without script or Web Audio, the browser's own players
// remain, one below each stage.
(() => {
  "use strict";
  const AudioContext = window.AudioContext || window.webkitAudioContext;
  const groups = [...document.querySelectorAll(".listening")];
  if (!AudioContext || !groups.length) return;
  const FADE = 0.008;   // seconds, against clicks
  const JUMP = 2;       // seconds, arrow keys
  const root = document.documentElement;
  let context = null;
  let current = null;   // the player that the keys mean

  const bytes = (url) =>
    Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0)).buffer;

  // A click with the pointer leaves no focus behind, so that space means play again.
  const clicked = (button, action) => button.addEventListener("click", (event) => {
    action();
    if (event.detail > 0) button.blur();
  });

  function giveUp() {
    players.forEach((player) => player.pause());
    root.classList.remove("scripted");
    document.querySelectorAll(".no-player").forEach((note) => { note.hidden = false; });
  }

  function makePlayer(group) {
    const panel = group.querySelector(".player");
    const stages = [...group.querySelectorAll(".stage")];
    const buttons = [...panel.querySelectorAll("[data-stage]")];
    const playButton = panel.querySelector(".play");
    const seekBar = panel.querySelector(".seek");
    const clock = panel.querySelector(".clock");
    const duration = Number(panel.dataset.duration);
    const origin = Number(panel.dataset.start);

    let decoded = null, buffers = null;
    let playing = null;   // { voices, offset, startedAt } while sound runs
    let wanted = false;   // what the reader asked for, while sound is being decoded
    let position = 0, active = 0;

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
      group.style.setProperty("--at", at / duration);
      seekBar.value = at;
      seekBar.setAttribute("aria-valuetext", time(at));
      clock.textContent = time(at) + " / " + time(duration);
      panel.classList.toggle("playing", wanted);
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

    async function play() {
      players.forEach((other) => { if (other !== player) other.pause(); });
      current = player;
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
      if (!wanted && !playing) return;
      wanted = false;
      silence();
      show();
    }

    const toggle = () => (wanted ? pause() : play());

    function seek(seconds) {
      current = player;
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
      const row = buttons[active].parentElement;   // which scrolls where there is no room
      row.scrollLeft = buttons[active].offsetLeft - row.offsetLeft - row.clientWidth / 4;
    }

    clicked(playButton, toggle);
    buttons.forEach((button, i) => clicked(button, () => { current = player; choose(i); }));
    seekBar.addEventListener("input", () => seek(Number(seekBar.value)));
    stages.forEach((figure, i) => {
      const plot = figure.querySelector(".plot");
      plot.addEventListener("click", (event) => {
        const box = plot.getBoundingClientRect();
        choose(i);
        seek(duration * (event.clientX - box.left) / box.width);
      });
    });
    choose(0);
    show();
    const player = {
      pause, toggle, choose, n: buttons.length, move: (seconds) => seek(now() + seconds),
    };
    return player;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const focus = event.target.closest ? event.target : document.body;
    if (!root.classList.contains("scripted")) return;
    if (focus.closest("select, summary, audio")) return;
    if (event.key === " " && !focus.closest("button, a, input:not(.seek)")) {
      current.toggle();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      if (focus.closest(".scroll")) return;
      current.move(event.key === "ArrowLeft" ? -JUMP : JUMP);
    } else if (event.key >= "1" && Number(event.key) <= current.n) {
      current.choose(Number(event.key) - 1);
    } else {
      return;
    }
    event.preventDefault();
  });

  const players = groups.map(makePlayer);
  current = players[0];
  root.classList.add("scripted");
})();
