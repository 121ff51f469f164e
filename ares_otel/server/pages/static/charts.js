// Prices, equity and what lies on them, by TradingView's Lightweight Charts; colors from the style sheet.
import * as lwc from "./vendor/lightweight-charts-5.2.1.mjs";

const drawn = [];
const REGIMES = {
  bull_trend: "--bull",
  bear_trend: "--bear",
  sideways: "--side",
  high_volatility: "--high",
  low_volatility: "--low",
  breakout: "--break",
};

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faded = (hex, share) => hex + Math.round(share * 255).toString(16).padStart(2, "0");
const money = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const price = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 8 });

// Times are drawn in the reader's zone: the library knows UTC only.
const local = (seconds) => seconds - new Date(seconds * 1000).getTimezoneOffset() * 60;

class Ribbon {
  // A thin band of regimes at the foot of a pane.
  constructor(bands, height) {
    this.bands = bands;
    this.height = height;
  }
  attached({ chart, requestUpdate }) {
    this.chart = chart;
    this.requestUpdate = requestUpdate;
  }
  updateAllViews() {}
  paneViews() {
    return [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => target.useBitmapCoordinateSpace((scope) => this.paint(scope)) }) }];
  }
  place(time, last) {
    const scale = this.chart.timeScale();
    const index = scale.timeToIndex(time, true);
    const at = index === null ? null : scale.logicalToCoordinate(index);
    return at === null ? last : at;
  }
  paint({ context, bitmapSize, horizontalPixelRatio, verticalPixelRatio }) {
    const high = this.height === null ? bitmapSize.height : this.height * verticalPixelRatio;
    for (const [begin, end, name] of this.bands) {
      const from = Math.round(this.place(begin, 0) * horizontalPixelRatio);
      const to = Math.round(this.place(end, 0) * horizontalPixelRatio);
      const fill = color(REGIMES[name] || "--unknown");
      context.fillStyle = this.height === null ? faded(fill, 0.13) : fill;
      context.fillRect(from, bitmapSize.height - high, Math.max(to - from, 1), high);
    }
  }
}

function options() {
  const line = color("--line");
  return {
    autoSize: true,
    layout: {
      background: { type: lwc.ColorType.Solid, color: color("--sheet") },
      textColor: color("--quiet"),
      fontFamily: '"Inter Ares", system-ui, sans-serif',
      fontSize: 11,
      attributionLogo: false, // said in words at the foot of the page: the logo brings a style of its own
      panes: { separatorColor: line, separatorHoverColor: line, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: line } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderColor: line, timeVisible: true, secondsVisible: false, rightOffset: 2, minBarSpacing: 0.02 },
    crosshair: {
      mode: lwc.CrosshairMode.Magnet,
      vertLine: { color: color("--quiet"), labelBackgroundColor: color("--ink") },
      horzLine: { color: color("--quiet"), labelBackgroundColor: color("--ink") },
    },
    handleScroll: { mouseWheel: false, pressedMouseMove: true, horzTouchDrag: true, vertTouchDrag: false },
    handleScale: { mouseWheel: false, pinch: true, axisPressedMouseMove: true },
    localization: { locale: "en-GB" },
  };
}

function reading(element) {
  const place = document.createElement("div");
  place.className = "reading";
  element.append(place);
  return (parts) => {
    place.replaceChildren();
    for (const [name, value] of parts) {
      const bold = document.createElement("b");
      bold.textContent = value;
      place.append(`${name} `, bold, "   ");
    }
  };
}

const points = (rows) => rows.map(([time, value]) => ({ time: local(time), value }));
const bands = (rows) => (rows || []).map(([begin, end, name]) => [local(begin), local(end), name]);

function equity(element, data) {
  const chart = lwc.createChart(element, options());
  const say = reading(element);
  const format = { type: "custom", formatter: (value) => money.format(value), minMove: 0.01 };
  const accent = color("--accent");
  const line = chart.addSeries(lwc.AreaSeries, {
    lineColor: accent,
    lineWidth: 2,
    topColor: faded(accent, 0.16),
    bottomColor: faded(accent, 0),
    priceFormat: format,
    priceLineVisible: false,
    lastValueVisible: true,
  });
  line.setData(points(data.equity));
  const down = chart.addSeries(
    lwc.AreaSeries,
    {
      lineColor: color("--loss"),
      lineWidth: 1,
      topColor: faded(color("--loss"), 0.02),
      bottomColor: faded(color("--loss"), 0.28),
      invertFilledArea: true,
      priceFormat: { type: "custom", formatter: (value) => `${(value * 100).toFixed(1)} %`, minMove: 0.001 },
      priceLineVisible: false,
    },
    1,
  );
  down.setData(points(data.drawdown));
  if (data.limit)
    down.createPriceLine({ price: -data.limit, color: color("--accent"), lineStyle: lwc.LineStyle.Dashed, lineWidth: 1, title: "limit", axisLabelVisible: true });
  down.attachPrimitive(new Ribbon(bands(data.regimes), 9));
  down.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
  const panes = chart.panes();
  panes[0].setStretchFactor(2.2);
  panes[1].setStretchFactor(1);
  const told = (at) => {
    const last = (rows) => (rows.length ? rows[rows.length - 1][1] : null);
    const value = at ? at.seriesData.get(line)?.value : last(data.equity);
    const depth = at ? at.seriesData.get(down)?.value : last(data.drawdown);
    if (value === undefined || value === null) return;
    say([
      ["equity", `${money.format(value)} ${data.currency || ""}`],
      ["drawdown", depth === undefined || depth === null ? "–" : `${(depth * 100).toFixed(1)} %`],
    ]);
  };
  chart.subscribeCrosshairMove((move) => told(move.time ? move : null));
  told(null);
  chart.timeScale().fitContent();
  return chart;
}

function candles(element, data) {
  const chart = lwc.createChart(element, options());
  const say = reading(element);
  const ink = color("--bar");
  const bars = data.bars.filter((bar) => bar[1] !== null);
  const format = { type: "custom", formatter: (value) => price.format(value), minMove: 1e-8 };
  const whole = bars.length === data.bars.length && bars.length <= 400;
  const series = whole
    ? chart.addSeries(lwc.CandlestickSeries, {
        upColor: color("--sheet"),
        downColor: ink,
        borderColor: ink,
        wickColor: ink,
        priceFormat: format,
        priceLineVisible: false,
      })
    : chart.addSeries(lwc.LineSeries, { color: ink, lineWidth: 1, priceFormat: format, priceLineVisible: false });
  series.setData(
    data.bars.map(([time, open, high, low, close]) =>
      whole ? { time: local(time), open, high, low, close } : { time: local(time), value: close },
    ),
  );
  for (const [value, title, strong] of data.lines || [])
    series.createPriceLine({ price: value, title, color: strong ? color("--accent") : color("--quiet"), lineStyle: lwc.LineStyle.Dashed, lineWidth: 1, axisLabelVisible: true });
  const accent = color("--accent");
  const dark = color("--ink");
  lwc.createSeriesMarkers(
    series,
    (data.marks || []).map(([time, side, text]) => ({
      time: local(time),
      position: side === "buy" ? "belowBar" : "aboveBar",
      shape: side === "buy" ? "arrowUp" : side === "sell" ? "arrowDown" : "circle",
      color: side === "buy" ? accent : dark,
      text,
    })),
  );
  series.attachPrimitive(new Ribbon(bands(data.regimes), 9));
  if (data.shaded) series.attachPrimitive(new Ribbon(bands(data.regimes), null));
  series.priceScale().applyOptions({ scaleMargins: { top: 0.16, bottom: 0.14 } });
  const told = (at) => {
    const bar = at ? at.seriesData.get(series) : null;
    if (!bar) return say([[data.title || "close", ""]]);
    const value = bar.close ?? bar.value;
    return say(whole ? [["open", price.format(bar.open)], ["high", price.format(bar.high)], ["low", price.format(bar.low)], ["close", price.format(value)]] : [["close", price.format(value)]]);
  };
  chart.subscribeCrosshairMove((move) => told(move.time ? move : null));
  told(null);
  chart.timeScale().fitContent();
  return chart;
}

const KINDS = { equity, candles };

export function draw(root) {
  for (const element of root.querySelectorAll("[data-chart]")) {
    const make = KINDS[element.dataset.kind];
    element.replaceChildren();
    if (make) drawn.push({ element, make, chart: make(element, JSON.parse(element.dataset.chart)) });
  }
}

function again() {
  for (const one of drawn) {
    one.chart.remove();
    one.element.replaceChildren();
    one.chart = one.make(one.element, JSON.parse(one.element.dataset.chart));
  }
}

document.addEventListener("ares-theme", again);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
