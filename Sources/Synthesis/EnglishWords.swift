/// Common words, so that synthetic text looks like what people print: a list of our own.
enum EnglishWords {
  static let common = split(
    """
    a able about above accept access accident account across act action active activity actual add address adult
    advance advice affair after again against age agency agent ago agree ahead aid aim air airport alarm album alive
    all allow almost alone along already also although always among amount ancient and anger angle animal annual
    another answer any anyone anything apart appeal appear apple apply approach area argue arm army around arrange
    arrest arrive art article artist as ask asleep aspect assist at attack attempt attend attention aunt autumn
    available average avoid award aware away baby back bad bag bake balance ball banana band bank bar base basic basis
    basket bath battery battle be beach bear beat beautiful beauty because become bed bedroom beer before begin behave
    behind being belief believe bell belong below belt bench bend benefit beside best better between beyond bicycle big
    bill bird birth birthday biscuit bit bite bitter black blade blame blanket blind block blood blow blue board boat
    body boil bold bone bonus book boot border borrow boss both bottle bottom bowl box boy branch brand brave bread
    break breakfast breath brick bridge brief bright bring broad brother brown brush budget build building bulb burn
    bus bush business busy but butter button buy buyer by cabin cable cake call calm camera camp can cancel candle cap
    capable capital captain car card care careful carpet carry case cash castle cat catch cause ceiling celebrate cell
    cent central centre century certain chain chair chalk champion chance change channel chapter charge cheap check
    cheese chef chest chicken chief child children chip chocolate choice choose church cigarette cinema circle citizen
    city claim class classic clay clean clear clerk clever client climate climb clock close cloth clothes cloud club
    coach coal coast coat code coffee coin cold collar collect college colour comb come comfort common company compare
    complete computer concert condition confirm connect consider contact contain content contest continue contract
    control cook cool copper copy corn corner correct cost cotton cough could council count country county couple
    courage course court cousin cover cow crash crazy cream create credit crew crime critic crop cross crowd crown cruel
    cry culture cup cupboard cure current curtain custom customer cut cycle daily damage dance danger dark data
    daughter day dead deal dear debate debt decide deep deer defend degree delay delight deliver demand dentist
    depart deposit depth describe desert design desk detail develop device diamond dictionary diet differ different
    difficult digital dinner direct direction dirty discount discover discuss disease dish distance district divide
    doctor document dog dollar door double doubt down dozen draft draw dream dress drink drive driver drop drum dry duck
    due dull during dust duty each eager ear early earn earth east easy eat economy edge edit education effect effort
    egg eight either elbow electric element elephant eleven else email empire employ empty end enemy energy engine
    engineer enjoy enough enter entrance entry envelope equal error escape essay estate evening event ever every exact
    exam example excellent except exchange excite excuse exercise exist exit expect expense expert explain express
    extra eye face fact factor factory fade fail fair faith fall false fame family famous fan far farm farmer fashion
    fast fat father fault favour fear feather feature fee feed feel fellow female fence festival few fibre field fifty
    fight figure file fill film final finance find fine finger finish fire firm first fish fit five fix flag flame flat
    flavour flight float flood floor flour flow flower fly fold folk follow food foot football for force foreign forest
    forget fork form formal former fortune forty forward found four frame free freedom freeze fresh friend frog from
    front fruit fry fuel full fun fund funny fur future gain gallery game gap garage garden gas gate gather general
    gentle get giant gift girl give glad glass glove go goal goat gold golden good goods grace grade grain grand grant
    grape grass great green greet grey grill grocery ground group grow guard guess guest guide guitar gun habit hair
    half hall hammer hand handle hang happen happy harbour hard harm hat have he head health hear heart heat heavy
    height hello help hen her here hero hide high hill him hire his history hit hobby hold hole holiday home honest
    honey hook hope horse hospital host hot hotel hour house how huge human humour hundred hungry hunt hurry hurt
    husband ice idea ideal if ill image impact import important improve in inch include income increase indeed index
    indoor industry inform ink inner insect inside insist inspect instead insure intend interest into invent invest
    invite invoice iron island issue it item jacket jam jaw jealous jewel job join joint joke journal journey joy judge
    juice jump junior jury just keen keep kettle key kick kid kill kind king kiss kitchen knee knife knock know label
    labour lack ladder lady lake lamb lamp land language large last late laugh launch laundry law lawyer layer lazy
    lead leader leaf league learn least leather leave left leg legal lemon lend length less lesson let letter level
    library licence lid lie life lift light like limit line link lion lip liquid list listen little live load loan
    local lock logic long look loose lord lose loss lost lot loud love low lower loyal luck lunch machine mad magic
    mail main major make male man manage manner many map march mark market marriage mass master match mate material
    matter maximum may maybe meal mean measure meat media medical medicine medium meet melon melt member memory mend
    mention menu mercy merry message metal method middle might mild mile milk mill million mind mineral minimum
    minister minor minute mirror miss mistake mix mixture mobile model modern moment money monkey month moon more
    morning mother motion motor mountain mouse mouth move movie much mud multiply muscle museum mushroom music must my
    nail name narrow nation native natural nature near neat neck need needle nephew nerve nest net network never new
    news next nice night nine no noble noise none noon normal north nose not note nothing notice novel now number nurse
    nut oak obey object observe ocean of off offer office officer often oil old olive on once one onion only open opera
    option or oral orange orchestra order ordinary organ origin other ought our out outer outside oven over owe own
    owner oxygen pack packet page pain paint pair palace pale palm pan panel paper parcel pardon parent park part
    partner party pass passage passenger past paste path patient pattern pause pay peace peach peak pear pen pencil
    penny people pepper per perfect perform perhaps period permit person pet phone photo phrase piano pick picnic
    picture pie piece pig pile pill pillow pilot pin pink pipe pitch pizza place plain plan plane planet plant plastic
    plate platform play player please plenty plot plug plus pocket poem poet point poison pole police polite pool poor
    pop popular port position possible post pot potato pound pour powder power practice praise pray prefer prepare
    present president press pretty prevent price pride priest primary prince print prison private prize problem process
    produce product profit program project promise proof proper protect proud prove provide public pull pump punish
    pupil pure purple purpose push put puzzle quality quantity quarter queen question queue quick quiet quite quiz
    rabbit race radio rail rain raise range rank rapid rare rate rather raw reach read ready real reason receipt
    receive recent recipe record red reduce refer reflect refuse region regret regular relax release relief remain
    remember remind remove rent repair repeat reply report request rescue reserve resist rest result return review
    reward rhythm rice rich ride right ring rise risk river road roar roast rob rock role roll roof room root rope rose
    rough round route royal rub rubber rude rug ruin rule run rural rush sad safe sail salad salary sale salmon salt
    same sample sand sauce sausage save say scale scene school science score screen sea search season seat second
    secret section see seed seek seem select self sell send senior sense separate serious serve service session set
    seven several severe shade shadow shake shallow shame shape share sharp sheep sheet shelf shell shelter shift shine
    ship shirt shock shoe shoot shop short should shoulder shout show shower shut shy sick side sight sign signal silent
    silk silver similar simple since sing single sink sister sit six size skill skin skirt sky sleep slice slide slip
    slow small smart smell smile smoke smooth snack snake snow so soap social sock soft soil soldier solid solve some
    son song soon sorry sort soul sound soup sour source south space spare speak special speech speed spell spend spice
    spider spirit split spoil spoon sport spot spread spring square staff stage stair stamp stand standard star start
    state station stay steady steak steal steam steel steep step stick stiff still stock stomach stone stop store storm
    story straight strange stream street strength stress stretch strike string strip strong structure student study
    stuff style subject success such sudden sugar suggest suit summer sun supper supply support sure surface surprise
    surround survey swan sweet swim switch symbol system table tail take talent talk tall tank tap target task taste
    tax taxi tea teach teacher team tear technical telephone television tell temple ten tennis tent term test text than
    thank that the theatre their them then theory there these they thick thief thin thing think third thirty this
    thousand thread threat three throat through throw thumb thunder thus ticket tide tidy tie tiger tight till time tin
    tiny tip tire title to today toe together toilet tomato tomorrow ton tongue tonight too tool tooth top topic total
    touch tour toward towel tower town toy trace track trade traffic train transfer transport travel tray treasure treat
    tree trial trick trip tropical trouble trousers truck true trust truth try tube tune tunnel turn twelve twenty twice
    twin two type typical ugly umbrella uncle under union unique unit unite until up upon upper upset urban urgent use
    useful usual valley value van variety various vast vegetable vehicle venture version very vessel victory video view
    village violet violin visit voice volume vote voyage wage wagon wait waiter wake walk wall wallet want war warm
    warn wash waste watch water wave way we weak wealth wear weather web wedding week weekend weigh weight welcome well
    west wet whale what wheat wheel when where which while white who whole why wide wife wild will win wind window wine
    wing winner winter wire wise wish with within without wolf woman wonder wood wooden wool word work worker world
    worry worse worth would wrap wreck write wrong yard year yellow yes yesterday yet you young your youth zebra zero
    zone zoo
    """)

  /// What stands on signs, shops, posters and streets.
  static let signs = split(
    """
    admission alert alley ambulance apartments arcade arrivals atm avenue baggage bakery barber bargain basement bay
    beauty beware bistro boarding books boulevard boutique brewery buffet bypass cafe campus carpark cashier caution
    cellar centre charity checkout chemist clearance clinic closed closing cocktails collection concourse construction
    convenience court crescent cross customers cycling danger daily deli delivery departures detour diesel diner
    directory discount diversion dock downtown drive drugstore east electronics elevator emergency entrance enquiries
    escalator exhibition exit express fashion ferry fire fitness floor flowers footpath forbidden fountain fragile
    fresh gallery garage gates gifts grill grocer gym harbour hardware hazard heritage highway hospital hostel hotel
    hours information inn jewellery junction keep kiosk ladies lane laundry leisure level library lift limited liquor
    lobby lounge luggage machine mall market maternity maximum meeting men metro mezzanine mind museum noodles north
    nursery office onsale open opening optical order outlet parade parcel park parking passengers pastry pavilion
    pedestrians petrol pharmacy photos pier pizzeria plaza pool postcode premium private prohibited pub public pull
    push railway ramp reception recycle reduced refreshments refund registration rental reserved restaurant restroom
    restricted retail road roundabout salon school seafood security self service shoes shopping showroom shuttle
    slippery slow smoking souvenirs spa speed sports square stadium staff stairs stall station stationery steakhouse
    stop storage street studio subway supermarket surgery sushi tailor takeaway taxis terminal terrace theatre tickets
    toilets toll tourist tower town toys trade traffic trains trams travel university vacancies valet vending view
    visitors volunteers wanted warehouse warning watches way welcome wellness wholesale wifi winery women workshop yield
    amazing authentic best brand bright classic creative delicious digital easy enhanced everyday exclusive experience
    extra famous fast fantastic favourite festival finest free genuine global grand great guaranteed handmade happy
    healthy hot ideal innovation international learning live luxury master mega modern natural new now original
    organic perfect popular power premier pro professional pure quality quick royal sale save simple smart special
    special style summer super superior sweet team tasty today together top total traditional trend ultimate unique
    value vintage winter wonderful world
    """)

  /// What tills print.
  static let receipts = split(
    """
    account amount approval approved auth balance bank barcode batch bill branch card cash cashier change charge cheque
    close code copy counter cover credit customer date debit description desc discount doc document due duplicate
    exempt exchange excl excluding fax goods gross guest gst incl included including inclusive invoice item items
    keep label ltd inc member merchant net no number order original outlet owner paid pax payment phone please points
    price product purchase qty quantity rate receipt ref refund reg register return returnable rounding rounded sales
    salesperson served server service shop signature sold staff station store subtotal summary supply table tax taxable
    tel tender terminal thank thanks time total transaction trans trx unit vat visa visit void voucher welcome website
    apple beef biscuit bottle bread butter cabbage cake candy carrot cheese chicken chips chocolate cleaner coffee cola
    cream curry detergent egg fish flour fried garlic ginger glue ham ice juice jam lemon lime marker milk mineral mint
    mixed mutton napkin noodle nuts oil onion orange paper pasta pen pepper plastic pork potato rice roll salad salt
    sauce set shampoo soap soup spicy steak sugar tape tea tissue tofu tomato towel vegetable vinegar water yogurt
    battery bolt brush cable cement hammer hinge lamp nail paint pipe pvc screw steel switch tile tube wire wood
    avenue block city east floor jalan lane level lot north road south square street suite taman tower town west
    company enterprise holdings industries marketing trading hardware restaurant bakery cafe pharmacy supermarket
    """)

  /// Beginnings and ends that make names which no list has.
  static let syllables = split(
    """
    al an ar ba be ber bo bra bri ca can car ce cha che chi co con cor cra da de del di do dor du el en er fa fe fi fo
    fra ga ge gi go gra gu ha hai he hi ho hu in is ja je jo ju ka ke ki ko kra la lan le len li lo lu ma man mar me mi
    mo mon mu na ne ni no nor nu o on or pa par pe pi po pra qua ra re ri ro ru sa san se sha shi si so sta ste su ta
    tan te ter ti to tra tri tu u un va ve vi vo wa we wi xa ya yo yu za ze zi zo
    """)
  static let endings = split(
    """
    a ah an ar by co con da den der do don el en er ex ey field ford gate ham i ia ic in ing io is ix ka la land le ley
    lo ma man mark mart max mi na ne net nex o on or os port ra ro rs s sen shi son sta ster ta tec tel ten ter ton tor
    us va vera ville way well wick wood x y za zen
    """)

  private static func split(_ text: String) -> [String] { text.split(whereSeparator: \.isWhitespace).map(String.init) }
}
